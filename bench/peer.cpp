#include "bench/peer.h"

#include "bench/peers/naive.h"

#include <fmt/format.h>

#include <dlfcn.h>
#include <filesystem>

namespace volute::bench {
namespace {

namespace fs = std::filesystem;

/// Beside an installed volute, or where this build leaves them.
fs::path module_of(std::string_view name) {
  std::error_code ignored;
  const fs::path self = fs::read_symlink("/proc/self/exe", ignored);
  const std::string file = fmt::format("{}.so", name);
  const fs::path installed = self.parent_path() / "../lib/volute/peers" / file;
  if (fs::exists(installed, ignored)) return installed;
  return fs::path(VOLUTE_PEERS) / file;
}

const PeerEntry* entry_of(std::string_view name) {
  for (const PeerEntry& entry : known_peers())
    if (entry.name == name) return &entry;
  return nullptr;
}

Expected<const Peer*> load(const PeerEntry& entry) {
  const std::string path = module_of(entry.name).string();
  if (!is_built(entry.name))
    return fail(std::string(entry.name),
                fmt::format("this build has no module for {}", entry.library),
                fmt::format("it wants the package {}: ./quickstart --peers", entry.package));
  // Never closed: libraries like these start threads.
  void* module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!module) return fail(std::string(entry.name), dlerror());
  const auto get = reinterpret_cast<const Peer* (*)()>(dlsym(module, "volute_peer"));
  if (!get) return fail(std::string(entry.name), dlerror());
  return get();
}

} // namespace

const std::vector<PeerEntry>& known_peers() {
  static const auto& all = *new std::vector<PeerEntry>{
      {"onednn", "oneDNN", "libdnnl-dev"},
      {"im2col", "im2col and OpenBLAS", "libopenblas-pthread-dev"},
      {"xnnpack", "XNNPACK", "libxnnpack-dev"},
      {"torch", "PyTorch's libtorch", "libtorch-dev"},
      {"opencv", "OpenCV", "libopencv-dnn-dev"},
      {"onnxruntime", "ONNX Runtime", "libonnxruntime-dev"},
      {"halide", "Halide", "libhalide19-dev"},
  };
  return all;
}

bool is_built(std::string_view name) {
  std::error_code ignored;
  return fs::exists(module_of(name), ignored);
}

Expected<const Peer*> find_peer(std::string_view name) {
  if (name == naive_peer().name()) return &naive_peer();
  const PeerEntry* entry = entry_of(name);
  if (!entry) return fail(std::string(name), "there is no such peer");
  static auto& loaded = *new std::map<std::string_view, const Peer*>;
  const Peer*& peer = loaded[entry->name];
  if (peer) return peer;
  const Expected<const Peer*> found = load(*entry);
  if (found) peer = *found;
  return found;
}

} // namespace volute::bench
