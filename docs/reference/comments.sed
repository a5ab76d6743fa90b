# Doxygen's filter: the comments of the headers, which are for readers of the headers, as those that
# Doxygen reads. A comment behind a member is that member's; the one that opens a file is the file's.
1{/^\/\/ /s/^\/\/ /\/\/! \\file\n\/\/! /}
# A program's name is no command of Doxygen's.
/\/\//s/@/\\@/g
# Rulers and the ends of blocks say nothing of a symbol.
/^ *\/\/ ----/d
s/^\(} *\/\/ \(namespace\|extern\).*\)$/\1/;t
# Behind a member or an enumerator, and going on below it.
s/^\( *[^ /].*[;,{}]\) *\/\/ \([^/].*\)$/\1 \/\/\/< \2/;t
s/^\( *[a-z_0-9]\{1,\}\) *\/\/ \([^/].*\)$/\1 \/\/\/< \2/;t
s/^\( \{20,\}\)\/\/ \(.*\)$/\1\/\/\/< \2/;t
s/^\( *\)\/\/ \(.*\)$/\1\/\/\/ \2/
s/^\( *\)\/\/$/\1\/\/\//
