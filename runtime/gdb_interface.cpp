#include "runtime/gdb_interface.h"

#include <cstdint>
#include <mutex>

// The names and layouts are GDB's ("JIT Compilation Interface" in its manual). Other compilers in
// the process have the same, and a process has one of each: whoever is first.
extern "C" {

enum JitAction : uint32_t { jit_no_action, jit_register, jit_unregister };

struct JitEntry {
  JitEntry* next;
  JitEntry* previous;
  const char* file;
  uint64_t size;
};

struct JitDescriptor {
  uint32_t version;
  uint32_t action;
  JitEntry* relevant;
  JitEntry* first;
};

__attribute__((weak, noinline, visibility("default"))) void __jit_debug_register_code() {
  asm volatile("" ::: "memory"); // a place for a breakpoint
}

__attribute__((weak, visibility("default")))
JitDescriptor __jit_debug_descriptor = {1, jit_no_action, nullptr, nullptr};
}

namespace volute::runtime {
namespace {

std::mutex& list_lock() {
  static std::mutex& lock = *new std::mutex; // threads may load kernels while the process ends
  return lock;
}

void tell(JitEntry* entry, JitAction action) {
  __jit_debug_descriptor.relevant = entry;
  __jit_debug_descriptor.action = action;
  __jit_debug_register_code();
  __jit_debug_descriptor.action = jit_no_action;
}

class Registered {
public:
  explicit Registered(std::vector<std::byte> elf) : elf_(std::move(elf)) {
    const std::lock_guard guard(list_lock());
    entry_ = {__jit_debug_descriptor.first, nullptr, reinterpret_cast<const char*>(elf_.data()),
              elf_.size()};
    if (entry_.next) entry_.next->previous = &entry_;
    __jit_debug_descriptor.first = &entry_;
    tell(&entry_, jit_register);
  }
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;
  ~Registered() {
    const std::lock_guard guard(list_lock());
    (entry_.previous ? entry_.previous->next : __jit_debug_descriptor.first) = entry_.next;
    if (entry_.next) entry_.next->previous = entry_.previous;
    tell(&entry_, jit_unregister);
  }

private:
  std::vector<std::byte> elf_;
  JitEntry entry_ = {};
};

} // namespace

std::shared_ptr<const void> register_with_gdb(std::vector<std::byte> elf) {
  return std::make_shared<const Registered>(std::move(elf));
}

} // namespace volute::runtime
