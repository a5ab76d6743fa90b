# Doxygen's filter: the comments of the headers, which are for readers of the headers, as those that
# Doxygen reads. A comment behind a member is that member's; the one that opens a file is the file's; one
# in front of several declarations is that of each, down to the next comment or the next empty line.

function flush_comment(  i) {
  for (i = 0; i < held; ++i) print comment[i]
  held = 0
}
function end_group() {
  if (in_group) print "/**@}*/"
  in_group = 0
}

{
  line = $0
  code = line
  sub(/\/\/.*/, "", code)
  # A program's name is no command of Doxygen's.
  if (line ~ /\/\//) gsub(/@/, "\\@", line)
  # Rulers say nothing of a symbol.
  if (line ~ /^ *\/\/ ----/) next

  is_comment = 0
  if (NR == 1 && line ~ /^\/\/ /) {
    line = "//! \\file\n//! " substr(line, 4)
  } else if (line ~ /^} *\/\/ (namespace|extern)/) {
  } else if (match(line, /[;,{}] *\/\/ [^\/]/) && line ~ /^ *[^ \/]/) {
    at = index(line, "// ") # behind a member or an enumerator
    line = substr(line, 1, at - 1) "///< " substr(line, at + 3)
  } else if (line ~ /^ *[a-z_0-9]+ *\/\/ [^\/]/) {
    at = index(line, "// ") # behind the last enumerator
    line = substr(line, 1, at - 1) "///< " substr(line, at + 3)
  } else if (line ~ /^                    +\/\/ /) {
    sub(/\/\/ /, "///< ", line) # and going on below it
  } else if (line ~ /^ *\/\/ / || line ~ /^ *\/\/$/) {
    sub(/\/\//, "///", line)
    is_comment = 1
  } else if (line ~ /^ *\/\/\/ /) {
    is_comment = 1
  }

  if (is_comment && (!in_group || depth == group_depth)) {
    end_group()
    comment[held++] = line
    next
  }
  # A comment behind the line that begins a struct is the struct's, and what a defaulted comparison does
  # need not be said in each.
  if (code ~ /^ *(struct|class) [^;]*{ *$/ && line ~ /\/\/\/< /) {
    at = index(line, "///< ")
    comment[held++] = "/// " substr(line, at + 5)
    line = substr(line, 1, at - 1)
  }
  if (code ~ /operator==\(.*= default;/) {
    end_group()
    line = "/// Whether the two are the same in every part.\n" line
  }
  begins_many = code !~ /^ *$/ && code !~ /operator==\(.*= default;/ && code !~ /^ *(template|struct|class|enum|union|namespace|friend (class|struct)|}|#|public|private)/
  if (in_group && depth == group_depth && !begins_many) end_group()
  if (held && begins_many && code !~ /^ *\*/) {
    print "/**@{*/"
    in_group = 1
    group_depth = depth
  }
  flush_comment()
  print line
  depth += gsub(/{/, "{", code) - gsub(/}/, "}", code)
}

END {
  end_group()
  flush_comment()
}
