#include "runtime/options.h"
#include "tests/runtime/failure_text.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <map>

using namespace volute;
using runtime::Options;
using volute::tests::failure_text;

namespace {

Expected<Options> read(const std::map<std::string, std::string, std::less<>>& environment) {
  return runtime::read_options([&](std::string_view name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    if (found == environment.end()) return std::nullopt;
    return found->second;
  });
}

} // namespace

TEST_CASE("an environment that says nothing leaves the defaults") {
  CHECK(*read({}) == Options{});
  CHECK(*read({{"VOLUTE_THREADS", ""}, {"VOLUTE_TARGET", ""}, {"OTHER", "x"}}) == Options{});
  CHECK(Options{}.threads == 1);
}

TEST_CASE("every variable is read") {
  const Options options = *read({{"VOLUTE_THREADS", "4"},
                                 {"VOLUTE_TARGET", "haswell"},
                                 {"VOLUTE_ACCURACY", "0.5"},
                                 {"VOLUTE_MEMORY_CACHE", "64M"},
                                 {"VOLUTE_CACHE_DIR", "/var/kernels"},
                                 {"VOLUTE_DISK_CACHE", "2G"},
                                 {"VOLUTE_COMPILE_SECONDS", "2.5"},
                                 {"VOLUTE_COMPILE_MEMORY", "3M"},
                                 {"VOLUTE_VERBOSE", "1"}});
  CHECK(options.threads == 4);
  CHECK(options.target == "haswell");
  CHECK(options.accuracy == 0.5);
  CHECK(options.memory_cache_bytes == 64 << 20);
  CHECK(options.cache_dir == "/var/kernels");
  CHECK(options.disk_cache_bytes == int64_t{2} << 30);
  CHECK(!options.flush_denormals);
  CHECK(read({{"VOLUTE_FLUSH_DENORMALS", "1"}})->flush_denormals);
  CHECK(read({{"VOLUTE_FLUSH_DENORMALS", "1"}})->verbose == 0);
  CHECK(options.budget == Budget{2.5, 3 << 20});
  CHECK(options.verbose == 1);
  CHECK(!options.verbose_json);
  CHECK(read({{"VOLUTE_THREADS", "all"}})->threads >= 1);
  CHECK(read({{"VOLUTE_MEMORY_CACHE", "0"}})->memory_cache_bytes == 0);
  CHECK(read({{"VOLUTE_MEMORY_CACHE", "3K"}})->memory_cache_bytes == 3072);
  CHECK(read({{"VOLUTE_MEMORY_CACHE", "2G"}})->memory_cache_bytes == int64_t{2} << 30);
}

TEST_CASE("a value that does not fit is refused with what would") {
  for (const char* value : {"0", "-1", "1025", "two", "2.0", "4 "})
    CHECK(failure_text(read({{"VOLUTE_THREADS", value}})) ==
          "VOLUTE_THREADS: '" + std::string(value) + "' is not a number from 1 to 1024, or all");
  for (const char* value : {"-1", "64X", "M", "9223372036854775807K", "99999999999999999999"})
    CHECK(failure_text(read({{"VOLUTE_MEMORY_CACHE", value}})) ==
          "VOLUTE_MEMORY_CACHE: '" + std::string(value) +
              "' is not a number of bytes, or of K, M or G of them, as in 64M");
  for (const char* value : {"0", "-1", "nan", "two", "2s"})
    CHECK(failure_text(read({{"VOLUTE_COMPILE_SECONDS", value}})) ==
          "VOLUTE_COMPILE_SECONDS: '" + std::string(value) + "' is not a number above 0");
  for (const char* value : {"-1", "nan", "inf", "two", "2x", "1e999"})
    CHECK(failure_text(read({{"VOLUTE_ACCURACY", value}})) ==
          "VOLUTE_ACCURACY: '" + std::string(value) + "' is not a number of 0 or more");
  CHECK(failure_text(read({{"VOLUTE_VERBOSE", "yes"}})) ==
        "VOLUTE_VERBOSE: 'yes' is not 0, 1, 2 or 3, or one of these and json, as in 2,json");
  CHECK(!read({{"VOLUTE_VERBOSE", "4"}}));
  CHECK(!read({{"VOLUTE_VERBOSE", "2,xml"}}));
  CHECK(read({{"VOLUTE_VERBOSE", "3,json"}})->verbose == 3);
  CHECK(read({{"VOLUTE_VERBOSE", "3,json"}})->verbose_json);
  CHECK(read({{"VOLUTE_PROFILE", "jitdump"}})->profile == runtime::Options::Profile::jitdump);
  CHECK(read({{"VOLUTE_PROFILE", "vtune"}})->profile == runtime::Options::Profile::vtune);
  CHECK(!read({{"VOLUTE_PROFILE", "perf"}}));
  CHECK(read({{"VOLUTE_DEBUG", "gdb"}})->debug);
  CHECK(!read({{"VOLUTE_DEBUG", "lldb"}}));
  CHECK(read({{"VOLUTE_THREADS", "x"}, {"VOLUTE_VERBOSE", "y"}}).diagnostics().size() == 2);
}

TEST_CASE("every variable is listed once, begins with VOLUTE_ and says what it does") {
  const std::string help = runtime::options_help();
  for (const runtime::OptionRow& row : runtime::option_rows()) {
    CHECK(row.variable.substr(0, 7) == "VOLUTE_");
    CHECK(!row.meaning.empty());
    const size_t at = help.find(row.variable);
    REQUIRE(at != std::string::npos);
    CHECK(help.find(row.meaning, at) < help.find('\n', at));
  }
  CHECK(static_cast<size_t>(std::count(help.begin(), help.end(), '\n')) ==
        runtime::option_rows().size());
}

TEST_CASE("kernels are kept where the first variable that names a folder says") {
  const auto dir = [](const std::map<std::string, std::string, std::less<>>& environment) {
    return runtime::cache_dir_of([&](std::string_view name) -> std::optional<std::string> {
      const auto found = environment.find(name);
      if (found == environment.end()) return std::nullopt;
      return found->second;
    });
  };
  CHECK(dir({{"VOLUTE_CACHE_DIR", "/a"}, {"XDG_CACHE_HOME", "/b"}, {"HOME", "/c"}}) == "/a");
  CHECK(dir({{"VOLUTE_CACHE_DIR", ""}, {"XDG_CACHE_HOME", "/b"}, {"HOME", "/c"}}) == "/b/volute");
  CHECK(dir({{"XDG_CACHE_HOME", "b"}, {"HOME", "/c"}}) == "/c/.cache/volute");
  CHECK(dir({{"HOME", "c"}}) == "");
  CHECK(dir({}) == "");
  CHECK(dir({{"VOLUTE_DISK_CACHE", "0"}, {"HOME", "/c"}}) == "");
  CHECK(failure_text(read({{"VOLUTE_CACHE_DIR", "kernels"}})) ==
        "VOLUTE_CACHE_DIR: 'kernels' is not a whole path, from / on");
}

TEST_CASE("a caller says options by name, and the environment says the rest") {
  using Given = std::vector<std::pair<std::string, std::string>>;
  const auto with = [](Given given) { return runtime::options_with(given); };
  CHECK(*with({}) == *runtime::options());
  runtime::Options wanted = *runtime::options();
  wanted.threads = 3;
  wanted.memory_cache_bytes = 64 << 20;
  wanted.budget.seconds = 2;
  CHECK(*with({{"threads", "7"},
               {"memory_cache", "64M"},
               {"compile_seconds", "2"},
               {"threads", "3"}}) == wanted);
  CHECK(failure_text(with({{"threads", ""}})) ==
        "threads: '' is not a number from 1 to 1024, or all");
  CHECK(failure_text(with({{"VOLUTE_THREADS", "1"}}))
            .find("VOLUTE_THREADS: there is no such option (there are threads, ") == 0);
  CHECK(with({{"a", "1"}, {"verbose", "9"}}).diagnostics().size() == 2);
}
