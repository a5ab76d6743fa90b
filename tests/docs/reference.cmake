# The reference is written without a warning, and has what its readers look for.
#   cmake -DDOXYGEN=... -DWORK=... -P reference.cmake
cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND ${DOXYGEN} ${WORK}/Doxyfile COMMAND_ERROR_IS_FATAL ANY)
file(READ ${WORK}/warnings.txt warnings)
if(warnings)
  message(SEND_ERROR "${warnings}")
endif()
file(GLOB pages ${WORK}/html/*.html)
set(all "")
foreach(page IN LISTS pages)
  file(READ ${page} text)
  string(APPEND all "${text}")
endforeach()
foreach(word IN ITEMS volute_kernel_bind VOLUTE_INDEX_OUT_OF_RANGE "class=.*Session" conv_transpose2d
                      "the fast path" "a bug of this library|A bug of this library" openmp_threads)
  if(NOT all MATCHES "${word}")
    message(SEND_ERROR "the reference does not mention ${word}")
  endif()
endforeach()
