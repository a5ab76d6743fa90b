// Standard output, and what a person at a terminal sees while something takes long.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace volute::tools {

/// Makes the three standard streams safe: a file opened later must not land on one that the caller
/// closed, and a reader that went away (`volute inspect ... | head`) must not kill the process.
void prepare_streams();

/// To standard output. Throws Stop when the system refuses it; a reader that went away is no
/// failure, it has seen what it wanted.
void print(std::string_view text);
void flush();

/// "3.4 MiB".
std::string human_bytes(int64_t bytes);

/// A line on standard error that says what is being done and for how long, once it takes longer
/// than a second; only on a terminal, and gone when the work is done.
class Progress {
public:
  explicit Progress(std::string what);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();

  void now(std::string what);
  /// To standard output, above the line.
  void print_above(std::string_view text);

private:
  void show();

  std::mutex mutex_; // guards what follows
  std::condition_variable changed_;
  std::string what_;
  bool is_over_ = false, is_shown_ = false;
  std::thread thread_;
};

/// "[####......] 8/20, 40 s left: " in front of what is done now, the eighth of twenty things;
/// `seconds` is what those before took. Nothing where there is only one.
std::string place_in_line(size_t done, size_t all, double seconds);

} // namespace volute::tools
