# The reference of the C and the C++ interface, by Doxygen: build/<preset>/reference/html.
find_program(VOLUTE_DOXYGEN doxygen)
mark_as_advanced(VOLUTE_DOXYGEN)
if(NOT VOLUTE_DOXYGEN)
  return()
endif()

# Of the C interface every symbol is documented, or that is a warning.
set(reference_c capi/volute.h)
set(reference_cpp
    ir/builder.h ir/diagnostic.h ir/parse.h ir/print.h ir/program.h ir/types.h runtime/compile_options.h
    runtime/functional.h runtime/inspect_text.h runtime/kernel.h runtime/npy.h runtime/options.h
    runtime/png.h runtime/session.h runtime/status.h runtime/tensor.h runtime/tensor_ref.h
    runtime/threads.h runtime/threads_openmp.h runtime/threads_tbb.h runtime/volute.hpp)
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/reference)
set(VOLUTE_REFERENCE_ALL YES)
list(TRANSFORM reference_cpp PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE paths)
list(JOIN paths " " VOLUTE_REFERENCE_HEADERS)
string(PREPEND VOLUTE_REFERENCE_HEADERS "${PROJECT_SOURCE_DIR}/${reference_c} ")
configure_file(docs/reference/Doxyfile.in reference/Doxyfile @ONLY)
set(VOLUTE_REFERENCE_ALL NO)
set(VOLUTE_REFERENCE_HEADERS ${PROJECT_SOURCE_DIR}/${reference_c})
configure_file(docs/reference/Doxyfile.in reference/Doxyfile_c @ONLY)

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
