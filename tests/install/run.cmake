# Installs the build into a directory of its own, builds users' programs against it in every way that
# the documents name, runs them, and takes the installation away again.
#   cmake -DBUILD=... -DSOURCE=... -DWORK=... -DLIBDIR=... -DCC=... -DCXX=... -P run.cmake
cmake_minimum_required(VERSION 3.25)

function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(read_from variable)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE text OUTPUT_STRIP_TRAILING_WHITESPACE
                  COMMAND_ERROR_IS_FATAL ANY)
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

# The lists of what somebody has installed from this build stay theirs.
file(REMOVE_RECURSE ${WORK})
file(GLOB manifests RELATIVE ${BUILD} ${BUILD}/install_manifest*.txt)
foreach(manifest IN LISTS manifests)
  file(RENAME ${BUILD}/${manifest} ${BUILD}/kept_${manifest})
endforeach()
set(prefix ${WORK}/prefix)
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})

# Nothing lies anywhere but in folders that are Volute's, or under its name.
file(GLOB_RECURSE files LIST_DIRECTORIES false RELATIVE ${prefix} ${prefix}/*)
foreach(file IN LISTS files)
  if(NOT file MATCHES "volute")
    message(SEND_ERROR "${file} was installed, and says nowhere whose it is")
  endif()
endforeach()
foreach(file IN ITEMS share/man/man1/volute.1 share/bash-completion/completions/volute
                      share/zsh/vendor-completions/_volute
                      share/fish/vendor_completions.d/volute.fish bin/volute)
  if(NOT EXISTS ${prefix}/${file})
    message(SEND_ERROR "${file} was not installed")
  endif()
endforeach()

# The public headers are those that are listed: whoever makes one of them include another sees it.
file(STRINGS ${SOURCE}/public_headers.txt listed)
file(GLOB_RECURSE headers RELATIVE ${prefix}/include/volute ${prefix}/include/*)
list(SORT headers)
if("$ENV{VOLUTE_UPDATE_GOLDEN}" STREQUAL "1")
  list(JOIN headers "\n" text)
  file(WRITE ${SOURCE}/public_headers.txt "${text}\n")
elseif(NOT "${headers}" STREQUAL "${listed}")
  message(SEND_ERROR "installed headers are\n  ${headers}\nand tests/install/public_headers.txt "
                     "lists\n  ${listed}\nVOLUTE_UPDATE_GOLDEN=1 renews it.")
endif()
foreach(header IN LISTS headers)
  set(inner "ir|compiler|runtime|capi|llvm|fmt|png|xxhash")
  file(STRINGS ${prefix}/include/volute/${header} lines REGEX "#include *(\"|<(${inner})[/.])")
  if(lines)
    message(SEND_ERROR "${header} includes what is not installed: ${lines}")
  endif()
endforeach()

# By CMake: in C++ and in C, and in C where no C++ compiler is looked for.
foreach(language IN ITEMS CXX C)
  run(${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/${language} -G Ninja -DLANGUAGE=${language}
      -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_C_COMPILER=${CC} -DCMAKE_CXX_COMPILER=${CXX})
  run(${CMAKE_COMMAND} --build ${WORK}/${language})
  run(${WORK}/${language}/consumer)
endforeach()

# By pkg-config. C is compiled as strictly as it can be, C++ as by its users.
find_program(PKG_CONFIG pkg-config)
if(PKG_CONFIG)
  set(ENV{PKG_CONFIG_PATH} ${prefix}/${LIBDIR}/pkgconfig)
  read_from(flags ${PKG_CONFIG} --cflags --libs volute)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  read_from(version ${PKG_CONFIG} --modversion volute)
  set(rpath -Wl,-rpath,${prefix}/${LIBDIR})
  foreach(standard IN ITEMS c99 c11 c17)
    run(${CC} -std=${standard} -Wall -Wextra -pedantic -Werror ${SOURCE}/consumer.c -o
        ${WORK}/with_pkg_config ${flags} ${rpath})
    read_from(said ${WORK}/with_pkg_config)
    if(NOT said MATCHES "^Volute ${version} ")
      message(SEND_ERROR "pkg-config says that Volute is ${version}, and a program: ${said}")
    endif()
  endforeach()
  run(${CXX} -std=c++20 -Wall -Wextra -Werror ${SOURCE}/consumer.cpp -o ${WORK}/with_pkg_config
      ${flags} ${rpath})
  run(${WORK}/with_pkg_config)
  # On the threads of others, where their headers are (Clang's OpenMP is a package of its own).
  foreach(adaptor IN ITEMS "openmp omp\\.h|lomp -fopenmp" "tbb tbb/ -ltbb")
    string(REGEX MATCH "^(.*) (.*) (.*)$" adaptor "${adaptor}")
    set(name ${CMAKE_MATCH_1})
    set(absent ${CMAKE_MATCH_2})
    set(flag ${CMAKE_MATCH_3})
    execute_process(
      COMMAND
        ${CXX} -std=c++20 -Wall -Wextra -Werror -DADAPTOR=<volute/threads_${name}.hpp>
        -DTHREADS=${name}_threads ${SOURCE}/threads.cpp -o ${WORK}/threads_${name} ${flag} ${flags}
        ${rpath} RESULT_VARIABLE failed ERROR_VARIABLE errors)
    if(errors MATCHES "fatal error: '?(${absent})|cannot find -(${absent})")
      message(STATUS "there is no ${name}: its adaptor is left out")
    elseif(failed)
      message(SEND_ERROR "threads.cpp with ${name}: ${errors}")
    else()
      run(${WORK}/threads_${name})
    endif()
  endforeach()
  # The C interface alone, as C++ of any standard.
  file(WRITE ${WORK}/c_only.cpp "#define VOLUTE_C_ONLY
#include <volute/volute.h>
int main() { return volute_version()[0] == 0; }\n")
  run(${CXX} -std=c++11 -Wall -Wextra -pedantic -Werror ${WORK}/c_only.cpp -o ${WORK}/c_only ${flags}
      ${rpath})
  run(${WORK}/c_only)
else()
  message(STATUS "pkg-config is not installed: programs that are built by it are left out")
endif()

# The command line, from where it was installed.
run(${prefix}/bin/volute --version)
find_program(MAN man)
if(MAN)
  execute_process(COMMAND ${MAN} --warnings=w -l ${prefix}/share/man/man1/volute.1
                  OUTPUT_VARIABLE page ERROR_VARIABLE warnings COMMAND_ERROR_IS_FATAL ANY)
  if(NOT page MATCHES "VOLUTE INSPECT" OR warnings)
    message(SEND_ERROR "the man page is not one: ${warnings}")
  endif()
endif()
find_program(BASH bash)
if(BASH)
  file(WRITE ${WORK}/complete.sh "source ${prefix}/share/bash-completion/completions/volute
COMP_WORDS=(volute insp) COMP_CWORD=1; _volute; echo \"\${COMPREPLY[*]}\"
COMP_WORDS=(volute run x.vlt --fil) COMP_CWORD=3; _volute; echo \"\${COMPREPLY[*]}\"\n")
  read_from(completed ${BASH} ${WORK}/complete.sh)
  if(NOT completed STREQUAL "inspect\n--fill")
    message(SEND_ERROR "bash completes: ${completed}")
  endif()
endif()

# And away again.
run(${CMAKE_COMMAND} -DBUILD=${BUILD} -P ${SOURCE}/../../cmake/Uninstall.cmake)
foreach(manifest IN LISTS manifests)
  file(RENAME ${BUILD}/kept_${manifest} ${BUILD}/${manifest})
endforeach()
file(GLOB_RECURSE left LIST_DIRECTORIES false ${prefix}/*)
if(left)
  message(SEND_ERROR "uninstalling left ${left}")
endif()
if(EXISTS ${prefix}/include/volute)
  message(SEND_ERROR "uninstalling left an empty include/volute")
endif()
