# Copies the public headers: those that are asked for and all that they include, each where its folder
# is in the repository, with "ir/types.h" spelt <volute/ir/types.h>. So a program needs one include
# path, and no header comes along that nobody reaches.
#
#   cmake -DROOT=... -DINTO=.../include/volute -DHEADERS=runtime/volute.hpp:volute.hpp;... -P ...
#
# HEADERS are those that get another place, each SOURCE:PLACE. The list of copied files, below INTO,
# is left in INTO_LIST where that is given.
cmake_minimum_required(VERSION 3.25)

set(todo "")
foreach(header IN LISTS HEADERS)
  string(REGEX MATCH "^(.*):(.*)$" both "${header}")
  set(place_of_${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
  list(APPEND todo ${CMAKE_MATCH_1})
endforeach()

set(done "")
set(copied "")
while(todo)
  list(POP_FRONT todo file)
  if(file IN_LIST done)
    continue()
  endif()
  list(APPEND done ${file})
  file(READ ${ROOT}/${file} text)
  string(REGEX MATCHALL "#include \"[^\"]+\"" includes "${text}")
  foreach(include IN LISTS includes)
    string(REGEX REPLACE "#include \"(.*)\"" "\\1" name "${include}")
    list(APPEND todo ${name})
    set(place ${name})
    if(DEFINED place_of_${name})
      set(place ${place_of_${name}})
    endif()
    string(REPLACE "${include}" "#include <volute/${place}>" text "${text}")
  endforeach()
  set(place ${file})
  if(DEFINED place_of_${file})
    set(place ${place_of_${file}})
  endif()
  # A file that is already there and the same keeps its time.
  file(CONFIGURE OUTPUT ${INTO}/${place} CONTENT "@text@" @ONLY)
  list(APPEND copied ${place})
endwhile()

list(SORT copied)
if(INTO_LIST)
  list(JOIN copied "\n" text)
  file(WRITE ${INTO_LIST} "${text}\n")
endif()
