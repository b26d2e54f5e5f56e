#include "muster/bench/answer.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <nlohmann/json.hpp>

#include "muster/base/text.h"

namespace muster::bench {
namespace {

using nlohmann::json;

/// Steps over JSON text without building anything: enough to find a member of the outermost object,
/// for it is done while the load runs.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  void Space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  bool Take(char c) {
    Space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  /// A string without its quotes, escapes left as they are.
  std::string_view String() {
    if (!Take('"')) return {};
    const std::size_t begin = at_;
    SkipString();
    return text_.substr(begin, at_ - begin - (at_ > begin ? 1 : 0));
  }
  /// Any value, whole.
  std::string_view Value() {
    Space();
    const std::size_t begin = at_;
    int depth = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        SkipString();
        --at_;
      } else if (c == '[' || c == '{') {
        ++depth;
      } else if (c == ']' || c == '}') {
        if (depth == 0) break;
        --depth;
      } else if (c == ',' && depth == 0) {
        break;
      }
    }
    std::size_t end = at_;
    while (end > begin && static_cast<unsigned char>(text_[end - 1]) <= ' ') --end;
    return text_.substr(begin, end - begin);
  }

 private:
  /// From behind the opening quote to behind the closing one.
  void SkipString() {
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    at_ = std::min(at_ + 1, text_.size());
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string Short(const json& value) {
  return base::Printable(value.dump(-1, ' ', false, json::error_handler_t::replace), 80);
}

base::Error Different(const std::string& where, const std::string& expected,
                      const std::string& actual) {
  return base::FailedPrecondition((where.empty() ? std::string() : "at " + where + ": ") +
                                  "expected " + expected + ", got " + actual);
}

bool Near(double a, double b, double tolerance) {
  return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(a));
}

base::Status Same(const json& expected, const json& actual, double tolerance,
                  const std::string& where);

base::Status SameList(const json& expected, const json& actual, double tolerance,
                      const std::string& where) {
  if (expected.size() != actual.size()) {
    return Different(where, std::to_string(expected.size()) + " items",
                     std::to_string(actual.size()));
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    MUSTER_RETURN_IF_ERROR(
        Same(expected[i], actual[i], tolerance, where + "[" + std::to_string(i) + "]"));
  }
  return {};
}

bool PassedOver(const std::string& key) { return key == "cold_start" || key.ends_with("_ms"); }

base::Status SameObject(const json& expected, const json& actual, double tolerance,
                        const std::string& where) {
  for (const auto& [key, value] : expected.items()) {
    if (PassedOver(key)) continue;
    const std::string place = where + "." + base::Printable(key);
    if (!actual.contains(key)) return Different(place, Short(value), "nothing");
    MUSTER_RETURN_IF_ERROR(Same(value, actual.at(key), tolerance, place));
  }
  for (const auto& [key, value] : actual.items()) {
    if (!PassedOver(key) && !expected.contains(key)) {
      return Different(where + "." + base::Printable(key), "nothing", Short(value));
    }
  }
  return {};
}

base::Status Same(const json& expected, const json& actual, double tolerance,
                  const std::string& where) {
  if (expected.is_array() && actual.is_array()) {
    return SameList(expected, actual, tolerance, where);
  }
  if (expected.is_object() && actual.is_object()) {
    return SameObject(expected, actual, tolerance, where);
  }
  const bool same = expected.is_number() && actual.is_number()
                        ? Near(expected.get<double>(), actual.get<double>(), tolerance)
                        : expected == actual;
  if (!same) return Different(where, Short(expected), Short(actual));
  return {};
}

}  // namespace

std::string_view AnswerValue(std::string_view body) {
  constexpr std::array<std::string_view, 4> kKeys = {"result", "predictions", "outputs",
                                                     "prediction"};
  std::size_t best = kKeys.size();
  std::string_view found;
  Scanner in(body);
  if (!in.Take('{')) return {};
  do {
    const std::string_view key = in.String();
    if (!in.Take(':')) return {};
    const std::string_view value = in.Value();
    const auto rank = static_cast<std::size_t>(std::ranges::find(kKeys, key) - kKeys.begin());
    if (rank < best) {
      best = rank;
      found = value;
      if (rank == 0) return found;
    }
  } while (in.Take(','));
  return in.Take('}') ? found : std::string_view();
}

base::Status SameValue(std::string_view expected, std::string_view actual, double tolerance) {
  if (expected == actual) return {};
  const json wanted = json::parse(expected, nullptr, false);
  const json got = json::parse(actual, nullptr, false);
  if (wanted.is_discarded() || got.is_discarded()) {
    const auto& text = wanted.is_discarded() ? expected : actual;
    return base::FailedPrecondition("expected JSON, got `" + base::Printable(text) + "`");
  }
  return Same(wanted, got, tolerance, "");
}

}  // namespace muster::bench
