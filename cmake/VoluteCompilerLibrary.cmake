# libvolute-compiler.so: the compiler with LLVM inside, which the runtime loads when there is something
# to compile. Everything in it is hidden but one function, so no other LLVM in a process meets it. LLVM
# is linked in where its archives are installed (Debian's llvm-19-dev has them), else it is the system's
# shared library.
include(GNUInstallDirs)
option(VOLUTE_STATIC_LLVM "Link LLVM's archives into libvolute-compiler.so, where there are some" ON)

# Sanitizers take the copies of a type in two libraries for two types, and a fuzzer wants all that runs
# instrumented: there the compiler is part of the program.
set(inside OFF)
if(VOLUTE_SANITIZE)
  set(inside ON)
endif()
option(VOLUTE_COMPILER_INSIDE "Link the compiler into every program, LLVM with it" ${inside})

# From the folder of programs, or that of libraries, to others of an installation.
foreach(way IN ITEMS BINDIR:LIBDIR BINDIR:DATADIR LIBDIR:DATADIR)
  string(REPLACE ":" ";" both ${way})
  list(GET both 0 from)
  list(GET both 1 to)
  file(RELATIVE_PATH from_${from}_to_${to} /prefix/${CMAKE_INSTALL_${from}}
       /prefix/${CMAKE_INSTALL_${to}})
endforeach()
set_source_files_properties(
  runtime/own_folder.cpp
  PROPERTIES
    COMPILE_DEFINITIONS
    "VOLUTE_LIBRARIES_FROM_BIN=\"${from_BINDIR_to_LIBDIR}\";VOLUTE_DATA_FROM_BIN=\"${from_BINDIR_to_DATADIR}\";VOLUTE_DATA_FROM_LIBRARIES=\"${from_LIBDIR_to_DATADIR}\""
)
if(VOLUTE_COMPILER_INSIDE)
  set_source_files_properties(runtime/compiler_library.cpp PROPERTIES COMPILE_DEFINITIONS
                                                                      VOLUTE_COMPILER_INSIDE)
endif()

if(VOLUTE_COMPILER_INSIDE)
  target_link_libraries(volute_runtime PUBLIC volute_codegen)
  return()
endif()

# The archives of the code generator for x86 and of JITLink, with all that they stand on, or nothing.
# Asked of llvm-config: CMake's package for LLVM names libraries that no object taken from there needs.
function(volute_find_llvm_archives variable)
  set(${variable} "" PARENT_SCOPE)
  execute_process(
    COMMAND ${LLVM_TOOLS_BINARY_DIR}/llvm-config --link-static --libfiles x86codegen jitlink
    OUTPUT_VARIABLE files OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed ERROR_QUIET)
  separate_arguments(files UNIX_COMMAND "${files}")
  foreach(file IN LISTS files)
    if(NOT EXISTS ${file})
      return()
    endif()
  endforeach()
  # What LLVM compresses sections with. Debian's archives want both; their headers are not needed.
  find_library(VOLUTE_ZLIB NAMES z libz.so.1)
  find_library(VOLUTE_ZSTD NAMES zstd libzstd.so.1)
  mark_as_advanced(VOLUTE_ZLIB VOLUTE_ZSTD)
  if(NOT failed AND files AND VOLUTE_ZLIB AND VOLUTE_ZSTD)
    set(${variable} ${files} ${VOLUTE_ZLIB} ${VOLUTE_ZSTD} PARENT_SCOPE)
  endif()
endfunction()

set(llvm "")
if(VOLUTE_STATIC_LLVM)
  volute_find_llvm_archives(llvm)
endif()
if(NOT llvm)
  set(llvm LLVM)
endif()
set(objects "")
foreach(layer IN ITEMS volute_ir volute_target volute_image volute_compiler volute_codegen)
  list(APPEND objects $<TARGET_OBJECTS:${layer}>)
endforeach()
set(symbols ${PROJECT_SOURCE_DIR}/cmake/libvolute-compiler.map)
add_library(volute_compiler_library MODULE ${objects})
set_target_properties(volute_compiler_library PROPERTIES OUTPUT_NAME volute-compiler LINK_DEPENDS
                                                                                     ${symbols})
target_link_libraries(volute_compiler_library PRIVATE ${llvm} fmt::fmt ${CMAKE_DL_LIBS})
target_link_options(
  volute_compiler_library PRIVATE LINKER:--version-script=${symbols} LINKER:--gc-sections
  LINKER:--as-needed LINKER:-z,defs)
# Whoever builds anything that may compile builds it too: what is installed, above all.
add_dependencies(volute_runtime volute_compiler_library)
install(TARGETS volute_compiler_library LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
                                                COMPONENT library)
