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

find_package(PNG QUIET)
volute_require(PNG_FOUND libpng-dev "libpng")

# Two libraries without a CMake package of their own: a header and a library each.
function(volute_find_plain target header library package)
  find_path(${library}_INCLUDE_DIR ${header})
  find_library(${library}_LIBRARY ${library})
  mark_as_advanced(${library}_INCLUDE_DIR ${library}_LIBRARY)
  volute_require(${library}_INCLUDE_DIR ${package} "The header ${header}")
  volute_require(${library}_LIBRARY ${package} "The library ${library}")
  add_library(${target} INTERFACE IMPORTED)
  target_include_directories(${target} INTERFACE ${${library}_INCLUDE_DIR})
  target_link_libraries(${target} INTERFACE ${${library}_LIBRARY})
endfunction()
volute_find_plain(pthreadpool::pthreadpool pthreadpool.h pthreadpool libpthreadpool-dev)
volute_find_plain(xxhash::xxhash xxhash.h xxhash libxxhash-dev)

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
