# Makes the Debian packages, unpacks them as dpkg would, and has a program in C built and run against
# what they hold.  cmake -DBUILD=... -DSOURCE=... -DWORK=... -DCC=... -P packages.cmake
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(read_from variable)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE text OUTPUT_STRIP_TRAILING_WHITESPACE
                  COMMAND_ERROR_IS_FATAL ANY)
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_CPACK_COMMAND} --config ${BUILD}/CPackConfig.cmake -B ${WORK}/packages)
file(GLOB packages ${WORK}/packages/*.deb)
set(names "")
foreach(package IN LISTS packages)
  read_from(name dpkg-deb -f ${package} Package)
  read_from(depends_${name} dpkg-deb -f ${package} Depends)
  list(APPEND names ${name})
  run(dpkg-deb -x ${package} ${WORK}/root)
endforeach()
list(SORT names)
if(NOT names MATCHES "^libvolute-dev;libvolute[0-9.]+(;python3-volute)?;volute$")
  message(FATAL_ERROR "the packages are ${names}")
endif()
list(GET names 1 library)
foreach(name IN ITEMS ${library} volute)
  if(NOT depends_${name} MATCHES "libfmt")
    message(SEND_ERROR "${name} does not say what it needs: ${depends_${name}}")
  endif()
endforeach()
foreach(name IN ITEMS libvolute-dev volute)
  if(NOT depends_${name} MATCHES "${library} \\(= ")
    message(SEND_ERROR "${name} does not want the library: ${depends_${name}}")
  endif()
endforeach()
if(depends_volute MATCHES "libllvm|libtorch|libopencv|libdnnl|libopenblas")
  message(SEND_ERROR "volute wants LLVM, or what its benchmark compares with: ${depends_volute}")
endif()

# Loadable as it was unpacked, and enough to build against.
file(GLOB_RECURSE found ${WORK}/root/usr/lib*/libvolute.so)
list(GET found 0 link)
cmake_path(GET link PARENT_PATH lib)
set(ENV{LD_LIBRARY_PATH} ${lib})
run(${CC} -Wall -Wextra -Werror -I${WORK}/root/usr/include ${SOURCE}/consumer.c -o ${WORK}/consumer
    -L${lib} -lvolute)
run(${WORK}/consumer)
run(${WORK}/root/usr/bin/volute run -e
    "program @p() {
       %x = const [1, 2, 3, 4] : f32[n=1, c=1, w=4]
       %y = max_pool %x {kernel = 2}
       return %y
     }")
if(PYTHON)
  set(ENV{PYTHONPATH} ${WORK}/root/usr/lib/python3/dist-packages)
  unset(ENV{LD_LIBRARY_PATH}) # it knows where its library is
  run(${PYTHON} -c "import volute, numpy
y = volute.max_pool1d(numpy.array([[[1, 2, 3, 4]]], 'f4'), 2)
assert y.tolist() == [[[2, 4]]] and volute.__file__.startswith('${WORK}'), volute.__file__")
endif()
