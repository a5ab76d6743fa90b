// Work that nobody waits for, on threads that are there as long as there is some.
#pragma once

#include <functional>

namespace volute::runtime {

/// Has `work` done soon, by one of at most `most_threads` threads of the process's: in the order in
/// which it was asked for, when one is free. It must not throw. Where the system has no thread to
/// give, it is done here and now. What was not begun when a process forks is done in the parent
/// alone; what was not begun when it exits is not done.
void in_background(std::function<void()> work, int most_threads);

} // namespace volute::runtime
