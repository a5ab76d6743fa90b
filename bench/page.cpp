#include "bench/page.h"

#include "bench/json.h"

#include <nlohmann/json.hpp>

namespace volute::bench {

extern const char* const page_template; // page.html, with @DATA@ in its place

std::string page(const std::vector<Benchmark>& benchmarks, const Setting& setting) {
  // The samples are for those who compute with them: the page shows medians and quartiles.
  auto all = nlohmann::ordered_json::parse(json(benchmarks, setting));
  for (auto& program : all["programs"]) {
    program.erase("nests");
    for (auto& contender : program["contenders"]) contender.erase("samples_seconds");
  }
  std::string data = all.dump();
  for (size_t at = 0; (at = data.find("</", at)) != std::string::npos; at += 3)
    data.insert(at + 1, "\\"); // no string of the data ends the script element
  for (size_t at = 0; (at = data.find("<!--", at)) != std::string::npos; at += 9)
    data.replace(at, 1, "\\u003c");
  std::string html = page_template;
  constexpr std::string_view place = "@DATA@";
  html.replace(html.find(place), place.size(), data);
  return html;
}

} // namespace volute::bench
