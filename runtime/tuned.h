// Schedules that were measured to be faster than what the model chooses, a line of text each:
//
//     # target <tab> program <tab> accuracy <tab> faster <tab> name <tab> schedule
//     znver4+avx2...  9f86d081884c7d65...  2  1.084  conv1x1  flatten h, w; parallel n, hw by 96;
//     ...
//
// `volute tune` writes them to the folder of the disk cache, and whoever compiles a program with
// the schedule `auto` for that target gets the one that stands there. A line is found by the target
// with all its features and by a digest of the program, its strides and its constants; the
// program's name is for people. Lines may be copied from file to file and sent around: a schedule
// changes how long a kernel takes, never what it is allowed to compute, and one that does not fit
// is passed by.
#pragma once

#include "ir/program.h"
#include "runtime/cache_folder.h"
#include "runtime/compile_options.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace volute::runtime {

struct TunedSchedule {
  std::string target;   // canonical, every feature named
  std::string program;  // digest
  double accuracy = 2;  // that was asked for when it was measured
  double faster = 1;    // than the model's choice: the median of its time over this one's
  std::string name;     // of the program
  std::string schedule; // directives on one line
  bool operator==(const TunedSchedule&) const = default;
};

class TunedSchedules {
public:
  /// Every line that is a record; `skipped`, if given, becomes the number of the others that are
  /// neither empty nor begin with #.
  static TunedSchedules parse(std::string_view text, int64_t* skipped = nullptr);
  /// In order, under a line that says what stands where.
  std::string to_string() const;

  /// For the program as it is compiled with these (complete) options: measured with no larger an
  /// accuracy than is allowed now. Null: there is none.
  const TunedSchedule* find(const ir::Program& program, const CompileOptions& options) const;
  /// In the place of what is there for the target and program.
  void put(TunedSchedule tuned);
  /// Takes over what `other` has; of two for the same program and target, the one that gains more.
  /// Returns how many are new or were replaced.
  int64_t merge(const TunedSchedules& other);
  /// Whether there was one.
  bool remove(const std::string& target, const std::string& program);
  std::vector<TunedSchedule> all() const;
  bool empty() const { return by_key_.empty(); }

  /// Those of a folder; none where it or the file is not there. A failure: it is, and is not to be
  /// believed (cache_folder.h).
  static Expected<TunedSchedules> load(const std::string& folder);
  /// Makes the folder where there is none.
  Status save(const std::string& folder) const;

private:
  std::map<std::pair<std::string, std::string>, TunedSchedule> by_key_; // target, program
};

/// Of what a schedule for a program depends on: its text without its name, what its constants hold,
/// and the strides that it is compiled for.
std::string program_digest(const ir::Program& program, const CompileOptions& options);

} // namespace volute::runtime
