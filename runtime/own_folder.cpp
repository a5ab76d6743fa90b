#include "runtime/own_folder.h"

#include <climits>

#include <cstdlib>
#include <dlfcn.h>
#include <link.h>

namespace volute::runtime {
namespace {

std::string whole_path(const std::string& path) {
  char whole[PATH_MAX];
  return realpath(path.c_str(), whole) ? whole : path;
}

} // namespace

std::string own_folder() {
  static const char here = 0;
  Dl_info info{};
  link_map* map = nullptr;
  const bool is_found = dladdr1(&here, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) != 0;
  // The program's own entry has no name in the list of what is loaded.
  const bool is_program = !is_found || !map || !map->l_name || map->l_name[0] == '\0';
  const std::string file = whole_path(is_program ? "/proc/self/exe" : map->l_name);
  return file.substr(0, file.rfind('/'));
}

// This may be a program in the folder of programs, or a library in that of libraries; in a build it
// is above lib/, or beside it.
std::vector<std::string> places_of_compiler() {
  const std::string own = own_folder(), file = "/libvolute-compiler.so";
  return {own + file, own + "/lib" + file, own + "/../lib" + file,
          own + "/" VOLUTE_LIBRARIES_FROM_BIN + file};
}

std::vector<std::string> places_of_kernels() {
  const std::string own = own_folder(), folder = "/volute/kernels";
  return {own + "/" VOLUTE_DATA_FROM_BIN + folder, own + "/" VOLUTE_DATA_FROM_LIBRARIES + folder};
}

} // namespace volute::runtime
