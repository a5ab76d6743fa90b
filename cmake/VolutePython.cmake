# The Python package, build/<preset>/python/volute: built where there is a python3 with NumPy and its
# headers, and left out with a line that says so otherwise. It is built in the limited API, so that
# any Python from 3.11 on takes it.

# The first python3 that has NumPy: Debian's packages belong to /usr/bin/python3, whatever else is on
# the path. Who builds a wheel says where the headers are, and needs no NumPy for that.
set(VOLUTE_PYTHON "" CACHE FILEPATH "The python3 with NumPy that the package is tested with")
set(VOLUTE_PYTHON_INCLUDE "" CACHE PATH "Where Python.h is, of any Python from 3.11 on")
find_program(VOLUTE_PATH_PYTHON python3)
mark_as_advanced(VOLUTE_PATH_PYTHON)
foreach(candidate IN ITEMS ${VOLUTE_PYTHON} ${VOLUTE_PATH_PYTHON} /usr/bin/python3)
  if(VOLUTE_PYTHON OR NOT EXISTS ${candidate})
    continue()
  endif()
  execute_process(
    COMMAND ${candidate} -c "import sys, sysconfig, numpy
assert sys.version_info >= (3, 11)
print(sysconfig.get_path('include'))"
    OUTPUT_VARIABLE include
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
    RESULT_VARIABLE lacks_numpy)
  if(lacks_numpy EQUAL 0 AND EXISTS ${include}/Python.h)
    set(VOLUTE_PYTHON ${candidate} CACHE FILEPATH "" FORCE)
    if(NOT VOLUTE_PYTHON_INCLUDE)
      set(VOLUTE_PYTHON_INCLUDE ${include} CACHE PATH "" FORCE)
    endif()
  endif()
endforeach()
if(NOT VOLUTE_PYTHON_INCLUDE OR NOT TARGET volute_shared OR VOLUTE_SANITIZE)
  if(NOT VOLUTE_SANITIZE)
    message(STATUS "No python3 with NumPy and Python.h (Debian: python3-numpy, libpython3-dev): "
                   "the Python package is left out")
  endif()
  return()
endif()

set(VOLUTE_PYTHON_FOLDER ${PROJECT_BINARY_DIR}/python)
file(GLOB python_files CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/python
     ${PROJECT_SOURCE_DIR}/python/volute/*.py ${PROJECT_SOURCE_DIR}/python/volute/*.pyi
     ${PROJECT_SOURCE_DIR}/python/volute/py.typed)
file(MAKE_DIRECTORY ${VOLUTE_PYTHON_FOLDER}/volute)
foreach(file IN LISTS python_files)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/python/${file} ${VOLUTE_PYTHON_FOLDER}/${file} SYMBOLIC)
endforeach()

add_library(volute_python MODULE python/volute/_volute.c)
set_target_properties(
  volute_python
  PROPERTIES PREFIX "" OUTPUT_NAME _volute SUFFIX .abi3.so C_STANDARD 11
             LIBRARY_OUTPUT_DIRECTORY ${VOLUTE_PYTHON_FOLDER}/volute
             # In a wheel the library lies beside it, in an installation three folders up.
             INSTALL_RPATH "$ORIGIN:$ORIGIN/../../..")
target_include_directories(volute_python SYSTEM PRIVATE ${VOLUTE_PYTHON_INCLUDE})
target_link_libraries(volute_python PRIVATE volute_shared)
target_compile_options(volute_python PRIVATE ${VOLUTE_WARNINGS})

add_dependencies(installable volute_python)

# By itself (cmake --install ... --component python): where Debian keeps Python's packages.
set(python_packages lib/python3/dist-packages)
install(TARGETS volute_python LIBRARY DESTINATION ${python_packages}/volute COMPONENT python
                                      EXCLUDE_FROM_ALL)
list(TRANSFORM python_files PREPEND ${PROJECT_SOURCE_DIR}/python/)
install(FILES ${python_files} DESTINATION ${python_packages}/volute COMPONENT python
                                          EXCLUDE_FROM_ALL)
