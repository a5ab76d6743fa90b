# The reference of the C and the C++ interface, by Doxygen: build/<preset>/reference/html.
find_program(VOLUTE_DOXYGEN doxygen)
mark_as_advanced(VOLUTE_DOXYGEN)
if(NOT VOLUTE_DOXYGEN)
  return()
endif()

# All that is installed: what is not documented is a warning.
file(STRINGS tests/install/public_headers.txt reference_headers)
list(TRANSFORM reference_headers REPLACE "^volute\\.h$" capi/volute.h)
list(TRANSFORM reference_headers REPLACE "^volute\\.hpp$" runtime/volute.hpp)
list(TRANSFORM reference_headers REPLACE "^(threads_.*)\\.hpp$" "runtime/\\1.h")
list(TRANSFORM reference_headers PREPEND ${PROJECT_SOURCE_DIR}/)
list(JOIN reference_headers " " VOLUTE_REFERENCE_HEADERS)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/reference)
configure_file(docs/reference/Doxyfile.in reference/Doxyfile @ONLY)

add_custom_target(
  reference
  COMMAND ${VOLUTE_DOXYGEN} ${PROJECT_BINARY_DIR}/reference/Doxyfile
  COMMENT "Writing ${PROJECT_BINARY_DIR}/reference/html"
  VERBATIM)
if(BUILD_TESTING)
  add_test(NAME reference
           COMMAND ${CMAKE_COMMAND} -DDOXYGEN=${VOLUTE_DOXYGEN} -DWORK=${PROJECT_BINARY_DIR}/reference
                   -P ${PROJECT_SOURCE_DIR}/tests/docs/reference.cmake)
endif()
