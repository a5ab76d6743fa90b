# generator_version(), of compiler/image/generator.h: the hash of every source under ir/ and compiler/.
# It is made anew by each build that finds one of them changed, so that no kernel on disk outlives the
# code that made it, not even between two lines of an afternoon.
file(GLOB_RECURSE generator_sources CONFIGURE_DEPENDS ir/*.h ir/*.cpp compiler/*.h compiler/*.cpp)
list(FILTER generator_sources EXCLUDE REGEX "/compiler/page/")
set(build "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} ${CMAKE_BUILD_TYPE} ${VOLUTE_SANITIZE}")
set(VOLUTE_GENERATOR ${PROJECT_BINARY_DIR}/generator.cpp)
add_custom_command(
  OUTPUT ${VOLUTE_GENERATOR}
  COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DLLVM=${LLVM_PACKAGE_VERSION}
          "-DBUILD=${build}" -DOUTPUT=${VOLUTE_GENERATOR} -P ${CMAKE_CURRENT_LIST_DIR}/generator.cmake
  DEPENDS ${generator_sources} ${CMAKE_CURRENT_LIST_DIR}/generator.cmake
  VERBATIM
  COMMENT "Hashing the sources that code depends on")
