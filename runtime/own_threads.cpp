#include "runtime/own_threads.h"

#include <initializer_list>

namespace volute::runtime {

MakingOwnThreads::MakingOwnThreads() noexcept {
  sigset_t theirs;
  sigfillset(&theirs);
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF})
    sigdelset(&theirs, own);
  pthread_sigmask(SIG_BLOCK, &theirs, &before_);
}

MakingOwnThreads::~MakingOwnThreads() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

} // namespace volute::runtime
