# Dependencies point one way. The linker sees calls; this sees what a file includes or names.
#   cmake -DROOT=... -P check_layers.cmake

set(offences "")

# forbid(folders... [EXCEPT files' regex] MATCHING regex [UNLESS regex] BECAUSE sentence)
function(forbid)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "EXCEPT;MATCHING;UNLESS;BECAUSE" "")
  foreach(pattern IN LISTS arg_UNPARSED_ARGUMENTS)
    file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/${pattern}/*.h ${ROOT}/${pattern}/*.cpp)
    if(pattern STREQUAL "compiler")
      list(FILTER files EXCLUDE REGEX "^compiler/codegen/")
    endif()
    if(arg_EXCEPT)
      list(FILTER files EXCLUDE REGEX "${arg_EXCEPT}")
    endif()
    foreach(file IN LISTS files)
      file(STRINGS ${ROOT}/${file} lines REGEX "${arg_MATCHING}")
      if(arg_UNLESS)
        list(FILTER lines EXCLUDE REGEX "${arg_UNLESS}")
      endif()
      foreach(line IN LISTS lines)
        set(offences "${offences}${file}: ${line}\n    ${arg_BECAUSE}\n")
      endforeach()
    endforeach()
  endforeach()
  set(offences "${offences}" PARENT_SCOPE)
endfunction()

set(include "^ *# *include *[<\"]")
forbid(ir MATCHING "${include}(compiler|runtime|tools|bench)/" BECAUSE "ir/ stands on nothing")
forbid(compiler MATCHING "${include}(runtime|tools|bench)/" BECAUSE "compiler/ stands on ir/ only")
forbid(compiler EXCEPT "^compiler/compile\\.cpp$" MATCHING "${include}compiler/codegen/"
       BECAUSE "only compile.cpp calls code generation: the rest does without LLVM")
forbid(compiler/codegen MATCHING "${include}(runtime|tools|bench)/"
       BECAUSE "codegen/ stands on ir/ and compiler/")
forbid(runtime MATCHING "${include}(capi|tools|bench)/" BECAUSE "runtime/ stands below the tools")

# Rooms of the compiler, and the rooms that each stands on: no circle. The words of the report are
# data that stand on nothing; `stages` and what else lies beside the rooms is for the last ones.
set(rooms target image nests lower rewrites schedule specialise report codegen page)
function(room name)
  set(others ${rooms})
  list(REMOVE_ITEM others ${name} ${ARGN})
  list(JOIN others "|" others)
  forbid(compiler/${name} MATCHING "${include}compiler/((${others})/|[a-z_]+\\.h)"
         UNLESS "compiler/report/report\\.h|compiler/within_budget\\.h"
         BECAUSE "compiler/${name}/ stands on: ${ARGN}")
  set(offences "${offences}" PARENT_SCOPE)
endfunction()
room(target)
room(image)
room(nests target)
room(lower nests)
room(rewrites target nests lower)
room(schedule target nests)
room(specialise target nests schedule)

forbid(capi MATCHING "${include}(tools|bench|compiler/codegen)/"
       BECAUSE "capi/ stands on the runtime's public interface")
forbid(tools bench MATCHING "${include}capi/" BECAUSE "capi/ is for programs outside")
forbid(ir compiler runtime capi tools bench MATCHING "${include}llvm"
       BECAUSE "LLVM's headers belong to compiler/codegen/")
forbid(ir compiler
       MATCHING
       "${include}(thread|mutex|condition_variable|future|fstream|filesystem|unistd\\.h|fcntl\\.h)"
       BECAUSE "ir/ and compiler/ know no threads and no files: effects belong to runtime/")
forbid(ir compiler compiler/codegen MATCHING "getenv *\\("
       BECAUSE "only the runtime reads the environment")

if(offences)
  message(FATAL_ERROR "${offences}")
endif()
