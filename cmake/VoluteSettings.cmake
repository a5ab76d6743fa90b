# How everything here is compiled. Presets (CMakePresets.json) choose among these.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON) # the archives also become libvolute.so
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)

option(VOLUTE_WARNINGS_AS_ERRORS "Stop at the first warning" OFF)
set(VOLUTE_SANITIZE "" CACHE STRING "Sanitizers to build with, as in -fsanitize=: address,undefined")

option(VOLUTE_FUZZER "Build tests/fuzz/texts_fuzzer, which takes Clang" OFF)

get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(NOT CMAKE_BUILD_TYPE AND NOT multi_config)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, RelWithDebInfo or Debug" FORCE)
endif()

# Kernels are generated, not compiled here, so -O3 would only make the build longer. Debug keeps
# assertions and stays fast enough to run the tests with.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")

set(VOLUTE_WARNINGS -Wall -Wextra)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 15)
  # GCC 12 to 14 see overlaps and overflows inside their own std::string and std::shared_ptr that are
  # not there (PR 105329).
  list(APPEND VOLUTE_WARNINGS -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
endif()
if(VOLUTE_WARNINGS_AS_ERRORS)
  list(APPEND VOLUTE_WARNINGS -Werror)
endif()

if(VOLUTE_SANITIZE)
  # A sanitizer's report shows lines and no variables, which take a third of the time to describe.
  set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")
  add_compile_options(-fsanitize=${VOLUTE_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${VOLUTE_SANITIZE})
endif()

# ccache is used where it is installed. It refuses precompiled headers unless told that a macro which
# a header does not mention cannot change it.
find_program(VOLUTE_CCACHE ccache)
mark_as_advanced(VOLUTE_CCACHE)
if(VOLUTE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${VOLUTE_CCACHE})
endif()
