// Compiling while the process ends.
//
// exit() destroys LLVM's global objects while other threads run on; code generation that met them
// would crash. So exit() waits first for the compiles that are under way, and from then on none
// begins: it is refused. A thread that calls exit() out of a compile of its own, from a signal's
// handler say, does not wait for itself. After fork() the child has none under way but what its one
// thread is in.
#pragma once

#include "compiler/target/target.h"

namespace volute::compiler {

/// One compile, as long as it lives. The first one of a process makes what LLVM makes once.
class Compiling {
public:
  explicit Compiling(const Target& target);
  ~Compiling();
  Compiling(const Compiling&) = delete;
  Compiling& operator=(const Compiling&) = delete;

  /// False when the process is ending: nothing may be compiled any more.
  explicit operator bool() const noexcept { return goes_on_; }

private:
  bool goes_on_ = true;
};

/// To be called by a thread that may call exit() while another begins the first compile of all:
/// then exit() waits for that beginning too, the only time at which it might come too early. The
/// thread that loads the library, which is the one that main returns on, is watched from then on,
/// and so is each that makes a session. One that has done neither has no place from which it could
/// be made to wait: LLVM's destructors are registered one by one in that beginning, and exit() runs
/// the newest first.
void watch_this_thread();

/// What is done when a watched thread ends, and when the process does: for whoever was there before
/// this was loaded, and watches threads itself (runtime/compiler_library.h).
void end_thread();
void end_compiling();

/// What fork() does: whoever loads this calls these from handlers of its own. Handlers registered
/// here would come too late for a fork that has begun to wait for the loading, and in another
/// order.
void before_fork();
void after_fork();
void after_fork_in_child();

} // namespace volute::compiler
