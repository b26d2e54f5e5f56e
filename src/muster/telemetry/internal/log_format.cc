#include "muster/telemetry/internal/log_format.h"

#include <algorithm>

#include "muster/base/text.h"

namespace muster::telemetry {
namespace {

bool NeedsNoQuotes(std::string_view value) {
  return !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
    return c > ' ' && c <= '~' && c != '"' && c != '=' && c != '\\';
  });
}

}  // namespace

std::string FormatLogLine(std::string_view text, std::span<const LogField> fields) {
  std::string line = base::Printable(text, std::string_view::npos);
  for (const auto& [key, value] : fields) {
    line.append(" ").append(key).append("=");
    line += NeedsNoQuotes(value) ? value : base::Quoted(value);
  }
  return line;
}

}  // namespace muster::telemetry
