// Threads that the library makes, as far as the host's signals are concerned.
#pragma once

#include <csignal>

namespace volute::runtime {

/// While it lives, threads that this one makes handle no signal that is sent to the process: the
/// host's handlers run in the host's threads, and those that it has blocked a signal in everywhere,
/// to wait for it, get it. What a thread brings upon itself (SIGSEGV), and profilers' SIGPROF, go
/// to it all the same.
class MakingOwnThreads {
public:
  MakingOwnThreads() noexcept;
  ~MakingOwnThreads();
  MakingOwnThreads(const MakingOwnThreads&) = delete;
  MakingOwnThreads& operator=(const MakingOwnThreads&) = delete;

private:
  sigset_t before_; // of this thread, which has it again
};

} // namespace volute::runtime
