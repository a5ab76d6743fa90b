# The man page and the completions of bash, zsh and fish, from what the tool says of itself.
#   cmake -DTOOL=... -DVERSION=... -DINTO=... -P Manual.cmake
cmake_minimum_required(VERSION 3.25)

function(help_of variable)
  execute_process(COMMAND ${TOOL} ${ARGN} --help OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

# Of a help text as lines of roff that are shown as they stand.
function(as_roff variable text)
  string(REPLACE "\\" "\\e" text "${text}")
  string(REPLACE "-" "\\-" text "${text}")
  string(REGEX REPLACE "(^|\n)([.'])" "\\1\\\\&\\2" text "${text}")
  set(${variable} ".nf\n${text}.fi\n" PARENT_SCOPE)
endfunction()

# The options of a help text, --word each, in order.
function(options_of variable text)
  string(REGEX MATCHALL "(^|\n)  [^\n]*" lines "${text}")
  set(found "")
  foreach(line IN LISTS lines)
    if(line MATCHES "^\n?  (-[a-zA-Z],)?(--[a-z][a-z-]*)( |$)")
      list(APPEND found ${CMAKE_MATCH_2})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES found)
  set(${variable} "${found}" PARENT_SCOPE)
endfunction()

help_of(main)
string(REPLACE ";" "," main_lines "${main}")
string(REGEX MATCH "\nSubcommands:\n(  [^\n]*\n)*" section "${main_lines}")
string(REGEX MATCHALL "\n  [a-z]+ +[^\n]*" rows "${section}")
set(commands "")
foreach(row IN LISTS rows)
  string(REGEX MATCH "^\n  ([a-z]+) +(.*)$" all "${row}")
  list(APPEND commands ${CMAKE_MATCH_1})
  set(what_${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
endforeach()
if(NOT commands)
  message(FATAL_ERROR "volute --help lists no subcommands")
endif()

string(REGEX MATCH "^[^\n]*(\n[^\n]*)*\nUsage: " first "${main}")
as_roff(text "${main}")
set(page ".TH VOLUTE 1 \"\" \"Volute ${VERSION}\" \"User Commands\"
.SH NAME
volute \\- compiles convolutions and poolings to native code, shows how, and measures it
.SH SYNOPSIS
.B volute
.I COMMAND
[\\fIOPTIONS\\fR]
.SH DESCRIPTION
${text}")
foreach(command IN LISTS commands)
  help_of(help_${command} ${command})
  as_roff(text "${help_${command}}")
  string(TOUPPER "${command}" heading)
  string(APPEND page ".SH VOLUTE ${heading}\n${text}")
endforeach()
file(WRITE ${INTO}/volute.1 "${page}")

list(JOIN commands " " command_words)
set(bash "# Completion of volute, from its --help.
_volute() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}
  local command=\${COMP_WORDS[1]} options=
  if [ \"$COMP_CWORD\" = 1 ]; then
    COMPREPLY=($(compgen -W \"${command_words} --help --version\" -- \"$word\"))
    return
  fi
  case $before in
  --stage)
    COMPREPLY=($(compgen -W \"program nest schedule loops llvm asm report all\" -- \"$word\"))
    return
    ;;
  --fill)
    COMPREPLY=($(compgen -W \"random zeros ones iota\" -- \"$word\"))
    return
    ;;
  --target)
    COMPREPLY=($(compgen -W \"native $(volute targets 2>/dev/null | awk '/^  [a-z]/ { print $1 }')\" -- \"$word\"))
    return
    ;;
  esac
  case $command in
")
set(zsh "#compdef volute\n# Completion of volute, from its --help.\nlocal -a commands=(\n")
set(zsh_cases "")
set(fish "# Completion of volute, from its --help.\n")
foreach(command IN LISTS commands)
  options_of(options "${help_${command}}")
  list(JOIN options " " words)
  string(APPEND bash "  ${command}) options=\"${words}\" ;;\n")
  string(REPLACE "'" "" what "${what_${command}}")
  string(APPEND zsh "  '${command}:${what}'\n")
  string(APPEND zsh_cases "  ${command}) _arguments '*:file:_files' ")
  string(APPEND fish "complete -c volute -n __fish_use_subcommand -a ${command} -d '${what}'\n")
  foreach(option IN LISTS options)
    string(APPEND zsh_cases "'${option}' ")
    string(SUBSTRING ${option} 2 -1 word)
    string(APPEND fish
           "complete -c volute -n '__fish_seen_subcommand_from ${command}' -l ${word}\n")
  endforeach()
  string(APPEND zsh_cases ";;\n")
endforeach()
string(APPEND bash "  esac
  case $word in
  -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;
  *) COMPREPLY=($(compgen -f -- \"$word\")) ;;
  esac
}
complete -o filenames -F _volute volute
")
string(APPEND zsh ")
if (( CURRENT == 2 )); then
  _describe command commands
  return
fi
case $words[2] in
${zsh_cases}esac
")
file(WRITE ${INTO}/volute.bash "${bash}")
file(WRITE ${INTO}/_volute "${zsh}")
file(WRITE ${INTO}/volute.fish "${fish}")
