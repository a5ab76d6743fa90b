#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <regex>

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using nlohmann::json;
using volute::tests::Ran;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;

namespace {

/// With room for kernels in the folder `VOLUTE_CACHE_DIR` names, which tests have not got else.
Ran in_folder(const std::string& folder, const std::string& arguments) {
  return run_volute(arguments, "VOLUTE_DISK_CACHE=64M VOLUTE_CACHE_DIR='" + folder + "'");
}

bool found_it(const Ran& ran) { return ran.err.find(" found in ") != std::string::npos; }

} // namespace

TEST_CASE("a program is compiled once, and found by the next run", "[cache]") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  const std::string run = "run examples/first.vlt --verbose";
  const Ran first = in_folder(folder, run), second = in_folder(folder, run);
  CHECK(first.status == 0);
  CHECK(!found_it(first));
  CHECK(found_it(second));
  CHECK(second.out == first.out);
  CHECK(!found_it(in_folder(folder, run + " --no-cache")));
  CHECK(!found_it(in_folder(folder, run + " --schedule naive")));
  CHECK(found_it(in_folder(folder, run + " --schedule naive")));
  CHECK(in_folder(folder, run + " --no-cache --cache-dir x").status == 2);
  // Named on the command line, from where the command is given.
  CHECK(!found_it(run_volute(run + " --cache-dir " + temporary / "other")));
  CHECK(found_it(run_volute(run + " --cache-dir " + temporary / "./x/../other/")));
  // Without a folder: nobody warns of that.
  CHECK(run_volute("run examples/first.vlt", "env -u HOME -u XDG_CACHE_HOME -u VOLUTE_CACHE_DIR "
                                             "VOLUTE_DISK_CACHE=1G")
            .err == "");
  // In the user's own, by the rules of where such things are.
  run_volute(run,
             "VOLUTE_DISK_CACHE=1G VOLUTE_CACHE_DIR= XDG_CACHE_HOME='" + temporary / "xdg" + "'");
  CHECK(std::filesystem::exists(temporary / "xdg/volute"));
  run_volute(run, "VOLUTE_DISK_CACHE=1G VOLUTE_CACHE_DIR= XDG_CACHE_HOME= HOME='" +
                      temporary / "home" + "'");
  CHECK(std::filesystem::exists(temporary / "home/.cache/volute"));
}

TEST_CASE("what is wrong with the folder is one warning, and the result is right", "[cache]") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  std::filesystem::create_directory(folder);
  std::filesystem::permissions(folder, std::filesystem::perms::all);
  const Ran ran = in_folder(folder, "run examples/first.vlt");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out, StartsWith("%y: "));
  CHECK(ran.err == "volute: warning: kernels on disk: " + folder +
                       ": others may write it: its mode is 0777 (kernels are kept where nobody "
                       "else can put any: chmod go-w " +
                       folder + ")\n");
  const Ran refused = in_folder(folder, "cache");
  CHECK(refused.status == 1);
  CHECK_THAT(refused.err, StartsWith("error: " + folder + ": others may write it"));
}

TEST_CASE("cache lists, counts, checks and clears", "[cache]") {
  const TemporaryFolder temporary;
  const std::string folder = temporary / "k";
  CHECK(in_folder(folder, "cache").out == "0 kernels in " + folder + "\n");
  CHECK_THAT(in_folder(folder, "cache stats").out,
             ContainsSubstring("(made with the first kernel)"));
  CHECK(!std::filesystem::exists(folder));
  in_folder(folder, "run examples/first.vlt");
  in_folder(folder, "run examples/first.vlt --schedule naive --target x86-64-v2");

  const Ran list = in_folder(folder, "cache list");
  CHECK(list.status == 0);
  CHECK(list.out == in_folder(folder, "cache").out);
  CHECK_THAT(list.out, StartsWith("program"));
  CHECK(std::regex_search(list.out, std::regex("@first +[0-9.]+ KiB +seconds  this one +x86-64-v2, "
                                               "scheduled by hand\n")));
  CHECK_THAT(list.out, ContainsSubstring("\n2 kernels in " + folder + "\n"));
  const json listed = json::parse(in_folder(folder, "cache list --json").out);
  CHECK(listed.at("folder") == folder);
  REQUIRE(listed.at("kernels").size() == 2);
  CHECK(listed.at("kernels")[0].at("program") == "first");
  CHECK(listed.at("kernels")[0].at("schedule") == "naive");
  CHECK(listed.at("kernels")[0].at("current") == true);

  const json stats = json::parse(in_folder(folder, "cache stats --json").out);
  CHECK(stats.at("kernels") == 2);
  CHECK(stats.at("of_this_generator") == 2);
  CHECK(stats.at("limit_bytes") == 64 << 20);
  CHECK(stats.at("bytes").get<int64_t>() == listed.at("kernels")[0].at("bytes").get<int64_t>() +
                                                listed.at("kernels")[1].at("bytes").get<int64_t>());
  CHECK_THAT(in_folder(folder, "cache stats").out, ContainsSubstring("KiB of at most 64.0 MiB\n"));

  CHECK(in_folder(folder, "cache verify").out == "2 kernels in " + folder + ", all whole\n");
  const std::string file = listed.at("kernels")[1].at("file");
  std::string bytes = volute::tests::read_file(folder + "/" + file);
  bytes[bytes.size() - 1] ^= 1;
  volute::tests::write_file(folder + "/" + file, bytes);
  const Ran verified = in_folder(folder, "cache verify");
  CHECK(verified.status == 1);
  CHECK(verified.err == "error: " + folder + "/" + file +
                            ": it is damaged: its checksum does not fit\n1 of 2 kernels cannot be "
                            "used; they are made anew when they are asked for\n");
  const Ran as_json = in_folder(folder, "cache verify --json");
  CHECK(as_json.status == 1);
  CHECK(json::parse(as_json.out).at("faulty")[0].at("file") == file);

  volute::tests::write_file(folder + "/README", "the user's own");
  CHECK_THAT(in_folder(folder, "cache clear").out, StartsWith("2 kernels, "));
  CHECK(in_folder(folder, "cache").out == "0 kernels in " + folder + "\n");
  CHECK(std::filesystem::exists(folder + "/README"));
  CHECK(run_volute("cache clear").status == 1); // nowhere
  CHECK(in_folder(folder, "cache empty").status == 2);
}
