#include "muster/bench/config_edit.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "muster/registry/model_config.h"

namespace muster::bench {
namespace {

namespace fs = std::filesystem;
using base::InvalidArgument;

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    lines.push_back(text.substr(at, end - at));
    at = end;
  }
  return lines;
}

std::string_view EndOfLine(std::string_view line) {
  if (line.ends_with("\r\n")) return "\r\n";
  return line.ends_with('\n') ? "\n" : "";
}

/// Where the value of a line `key: value  # comment` begins and ends; nothing where the line is
/// another's. Only a key without indentation is one of the file itself.
std::optional<std::pair<std::size_t, std::size_t>> ValueOf(std::string_view line,
                                                           std::string_view key) {
  constexpr std::string_view kQuotes = "'\"";
  const std::size_t quote = !line.empty() && kQuotes.find(line[0]) != kQuotes.npos ? 1 : 0;
  if (line.substr(quote, key.size()) != key) return std::nullopt;
  std::size_t at = key.size() + 2 * quote;
  while (at < line.size() && (line[at] == ' ' || line[at] == '\t')) ++at;
  if (at >= line.size() || line[at] != ':') return std::nullopt;
  ++at;
  while (at < line.size() && (line[at] == ' ' || line[at] == '\t')) ++at;
  const std::size_t end = std::min(line.find_first_of(" \t\r\n#", at), line.size());
  return std::pair{at, end};
}

/// A line that ends the only document: what is added comes before it.
bool EndsDocument(std::string_view line) { return line.starts_with("..."); }

void Add(std::vector<std::string>& lines, const std::string& setting) {
  std::size_t at = 0;
  while (at < lines.size() && !EndsDocument(lines[at])) ++at;
  std::string_view end_of_line = "\n";
  if (at > 0) {
    if (EndOfLine(lines[at - 1]).empty()) lines[at - 1] += '\n';
    end_of_line = EndOfLine(lines[at - 1]);
  }
  lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), setting + std::string(end_of_line));
}

void Set(std::vector<std::string>& lines, const std::string& key, const std::string& value) {
  for (std::string& line : lines) {
    const auto range = ValueOf(line, key);
    if (!range) continue;
    const bool touches = line[range->first - 1] == ':';  // `key:` without a value
    line.replace(range->first, range->second - range->first, (touches ? " " : "") + value);
    return;
  }
  Add(lines, key + ": " + value);
}

std::string ErrorText() { return std::error_code(errno, std::generic_category()).message(); }

base::Status WriteAll(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return base::Unavailable(ErrorText());
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  // A rename that reaches the disk before the text would leave an empty file after a crash.
  if (::fsync(descriptor) != 0) return base::Unavailable(ErrorText());
  return {};
}

base::Status WriteNew(const std::string& file, std::string_view text, mode_t mode) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return base::Unavailable(ErrorText());
  base::Status status = WriteAll(descriptor, text);
  if (::fchmod(descriptor, mode) != 0 && status) status = base::Unavailable(ErrorText());
  if (::close(descriptor) != 0 && status) status = base::Unavailable(ErrorText());
  return status;
}

/// Permissions of what is replaced, those of a new file where there is none.
mode_t ModeOf(const std::string& file) {
  struct stat info{};
  constexpr mode_t kNewFile = 0644;
  return ::stat(file.c_str(), &info) == 0 ? info.st_mode & 07777 : kNewFile;
}

}  // namespace

base::Result<std::string> WithTuning(const std::string& yaml, const Split& split,
                                     std::int64_t max_batch_size) {
  MUSTER_ASSIGN_OR_RETURN(registry::ModelConfig wanted,
                          registry::ParseModelConfig(yaml, "muster.yaml"));
  wanted.instances = split.instances;
  wanted.threads = split.threads;
  wanted.max_batch_size = max_batch_size;
  MUSTER_RETURN_IF_ERROR(wanted.Validate());
  std::vector<std::string> lines = LinesOf(yaml);
  Set(lines, "instances", std::to_string(split.instances));
  Set(lines, "threads", std::to_string(split.threads));
  Set(lines, "max_batch_size", std::to_string(max_batch_size));
  std::string edited;
  for (const std::string& line : lines) edited += line;
  const auto got = registry::ParseModelConfig(edited, "muster.yaml");
  if (got && *got == wanted) return edited;
  return InvalidArgument(
      "muster.yaml is not written a key a line and cannot be edited; set instances: " +
      std::to_string(split.instances) + ", threads: " + std::to_string(split.threads) +
      ", max_batch_size: " + std::to_string(max_batch_size) + " by hand");
}

base::Status ReplaceFile(const std::string& file, const std::string& text) {
  std::error_code error;
  const fs::path target = fs::weakly_canonical(file, error);
  if (error) return base::Unavailable(file + " cannot be replaced: " + error.message());
  // Beside it, for a rename does not cross file systems; hidden, for whoever scans the folder.
  const std::string name = "." + target.filename().string() + "." + std::to_string(::getpid());
  const std::string temporary = (target.parent_path() / name).string();
  base::Status status = WriteNew(temporary, text, ModeOf(target.string()));
  if (status && std::rename(temporary.c_str(), target.c_str()) != 0) {
    status = base::Unavailable(ErrorText());
  }
  if (status) return {};
  ::unlink(temporary.c_str());
  return status.error().WithContext(file + " cannot be written");
}

}  // namespace muster::bench
