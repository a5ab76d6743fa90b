// Runs the built volute as a shell would, for tests.
#pragma once

#include "tests/runtime/temporary_folder.h"

#include <cstdlib>
#include <string>
#include <sys/wait.h>

namespace volute::tests {

struct Ran {
  int status = -1;
  std::string out, err;
};

/// `arguments` are shell text, after the program's name; runs at the root of the repository. What
/// stands before (an environment, a pipe) goes into `before`.
inline Ran run_volute(const std::string& arguments, const std::string& before = "") {
  const TemporaryFolder folder;
  const std::string line = "cd '" VOLUTE_SOURCE_DIR "' && { " + before + " '" VOLUTE_TOOL "' " +
                           arguments + "\n} > " + folder / "out" + " 2> " + folder / "err";
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(folder / "out"),
          read_file(folder / "err")};
}

} // namespace volute::tests
