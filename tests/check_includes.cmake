# Who calls an algorithm of the standard library includes <algorithm>: with one version of the library it comes
# along with other headers, and with the next one it does not.
#   cmake -DROOT=... -P check_includes.cmake

set(names
    adjacent_find all_of any_of binary_search clamp copy copy_backward copy_if copy_n count count_if equal
    equal_range fill fill_n find find_if find_if_not for_each generate includes is_sorted
    lexicographical_compare lower_bound max max_element merge min min_element minmax mismatch next_permutation
    none_of nth_element partial_sort partition remove remove_if replace reverse rotate search set_difference
    set_intersection set_union sort stable_partition stable_sort swap_ranges transform unique upper_bound)
list(JOIN names "|" names)

set(offences "")
foreach(folder IN ITEMS ir compiler runtime capi tools bench tests examples)
  file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/${folder}/*.h ${ROOT}/${folder}/*.cpp)
  foreach(file IN LISTS files)
    file(STRINGS ${ROOT}/${file} included REGEX "^ *# *include *<algorithm>")
    if(NOT included)
      file(READ ${ROOT}/${file} text)
      if(text MATCHES "std::(ranges::)?(${names})(<[a-z0-9_:]+>)?\\(")
        string(APPEND offences "${file} calls ${CMAKE_MATCH_0}...) and does not include <algorithm>\n")
      endif()
    endif()
  endforeach()
endforeach()

if(offences)
  message(FATAL_ERROR "${offences}")
endif()
