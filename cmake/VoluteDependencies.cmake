# The libraries that Volute stands on, each as a target, each refusal naming the Debian package.
# setup/packages holds the same names for the scripts that install them.

macro(volute_require found package what)
  if(NOT ${found})
    message(FATAL_ERROR "${what} was not found.\n"
                        "Install the Debian package ${package}, or run ./quickstart, which installs "
                        "everything that is missing.")
  endif()
endmacro()

find_package(Threads REQUIRED)

find_package(fmt QUIET CONFIG)
volute_require(fmt_FOUND libfmt-dev "The fmt library")

find_package(nlohmann_json QUIET CONFIG)
volute_require(nlohmann_json_FOUND nlohmann-json3-dev "nlohmann-json")

find_package(CLI11 QUIET CONFIG)
volute_require(CLI11_FOUND libcli11-dev "CLI11")

# What most processes do without is loaded when it is needed (runtime/late_library.h): only headers are
# compiled against, and the file that is asked for is the one that the library here says it is.
find_program(VOLUTE_OBJDUMP NAMES ${CMAKE_OBJDUMP} objdump)
mark_as_advanced(VOLUTE_OBJDUMP)
set(VOLUTE_LATE_LIBRARIES "") # their files, for packages
function(volute_add_late_library name header library package)
  string(TOUPPER ${name} upper)
  find_path(VOLUTE_${upper}_INCLUDE_DIR ${header})
  find_library(VOLUTE_${upper}_LIBRARY ${library})
  mark_as_advanced(VOLUTE_${upper}_INCLUDE_DIR VOLUTE_${upper}_LIBRARY)
  volute_require(VOLUTE_${upper}_INCLUDE_DIR ${package} "The header ${header}")
  volute_require(VOLUTE_${upper}_LIBRARY ${package} "The library ${library}")
  execute_process(COMMAND ${VOLUTE_OBJDUMP} -p ${VOLUTE_${upper}_LIBRARY} OUTPUT_VARIABLE parts
                  ERROR_QUIET)
  if(NOT parts MATCHES "SONAME +([^ \n]+)")
    message(FATAL_ERROR "${VOLUTE_${upper}_LIBRARY} is no shared library: it is loaded at run time.")
  endif()
  add_library(volute_late_${name} INTERFACE)
  target_include_directories(volute_late_${name} SYSTEM INTERFACE ${VOLUTE_${upper}_INCLUDE_DIR})
  target_compile_definitions(volute_late_${name}
                             INTERFACE VOLUTE_${upper}_LIBRARY="${CMAKE_MATCH_1}")
  get_filename_component(folder ${VOLUTE_${upper}_LIBRARY} DIRECTORY)
  set(VOLUTE_LATE_LIBRARIES ${VOLUTE_LATE_LIBRARIES} ${folder}/${CMAKE_MATCH_1} PARENT_SCOPE)
endfunction()
volute_add_late_library(png png.h png libpng-dev)
volute_add_late_library(pthreadpool pthreadpool.h pthreadpool libpthreadpool-dev)

# xxHash is a header here: a library more takes longer to load than it takes to hash a kernel.
find_path(VOLUTE_XXHASH_INCLUDE_DIR xxhash.h)
mark_as_advanced(VOLUTE_XXHASH_INCLUDE_DIR)
volute_require(VOLUTE_XXHASH_INCLUDE_DIR libxxhash-dev "The header xxhash.h")
add_library(xxhash::xxhash INTERFACE IMPORTED)
target_include_directories(xxhash::xxhash INTERFACE ${VOLUTE_XXHASH_INCLUDE_DIR})
target_compile_definitions(xxhash::xxhash INTERFACE XXH_INLINE_ALL)

# LLVM 19 exactly: its C++ interface changes with every release. Debian keeps each version in a
# directory of its own. The headers are system headers, so that their warnings are not ours.
# Its package looks for libraries that only its static archives need, and says so at length.
set(log_level "${CMAKE_MESSAGE_LOG_LEVEL}")
set(CMAKE_MESSAGE_LOG_LEVEL NOTICE)
find_package(LLVM 19.1 QUIET CONFIG HINTS /usr/lib/llvm-19/lib/cmake/llvm)
set(CMAKE_MESSAGE_LOG_LEVEL "${log_level}")
volute_require(LLVM_FOUND llvm-19-dev "LLVM 19")
if(NOT LLVM_VERSION_MAJOR EQUAL 19)
  message(FATAL_ERROR "LLVM 19 is needed, but ${LLVM_DIR} holds LLVM ${LLVM_PACKAGE_VERSION}.\n"
                      "Install the Debian package llvm-19-dev, or set LLVM_DIR.")
endif()
separate_arguments(llvm_definitions UNIX_COMMAND "${LLVM_DEFINITIONS}")
add_library(volute_llvm INTERFACE)
target_include_directories(volute_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
target_compile_options(volute_llvm INTERFACE ${llvm_definitions})
target_link_libraries(volute_llvm INTERFACE LLVM)
