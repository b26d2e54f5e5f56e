#include <algorithm>
#include <array>

#include "muster/backends/onnx/internal/ort_runtime.h"
#include "muster/base/text.h"

namespace muster::backends::onnx {
namespace {

constexpr std::size_t kLongestText = 400;

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// The end of the bracket that opens at `open`.
std::size_t EndOfBracket(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == text[open]) ++depth;
    const char close = text[open] == '(' ? ')' : ']';
    if (text[i] == close && --depth == 0) return i + 1;
  }
  return text.size();
}

/// The end of the C++ signature that begins at `at`, as __PRETTY_FUNCTION__ writes it:
/// "T N::f(int) const [with T = float]", "N::f()::<lambda(int)>", "N::X::operator()(int)".
std::size_t EndOfSignature(std::string_view text, std::size_t at) {
  for (;;) {
    const std::size_t open = text.find('(', at);
    if (open == std::string_view::npos) return at;
    at = EndOfBracket(text, open);
    if (text.substr(at).starts_with(">")) ++at;
    if (text.substr(at).starts_with(" const")) at += 6;
    if (text.substr(at).starts_with(" [with ")) return EndOfBracket(text, at + 1);
    if (!text.substr(at).starts_with("::") && !text.substr(at).starts_with("(")) return at;
  }
}

/// Removes "/onnxruntime_src/a/b.cc:12 void N::f(int) ": where in its source the runtime failed.
std::string WithoutSource(std::string text) {
  constexpr std::array<std::string_view, 4> kSuffixes = {".cc:", ".h:", ".cpp:", ".hpp:"};
  for (const std::string_view suffix : kSuffixes) {
    for (std::size_t at; (at = text.find(suffix)) != std::string::npos;) {
      const std::size_t before = text.find_last_of(" :'\"", at);
      const std::size_t begin = before == std::string::npos ? 0 : before + 1;
      std::size_t end = text.find_first_not_of("0123456789", at + suffix.size());
      if (end == std::string::npos) end = text.size();
      end = EndOfSignature(text, end);
      while (end < text.size() && text[end] == ' ') ++end;
      text.erase(begin, end - begin);
    }
  }
  return text;
}

/// Removes words that are absolute paths. Names of nodes look like paths too, but stand in quotes.
std::string WithoutPaths(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" \n\t"), text.size());
    const std::string_view word = text.substr(0, end);
    const bool path = word.starts_with('/') && word.find('/', 1) != std::string_view::npos;
    if (!word.empty() && !path) {
      if (!out.empty()) out += ' ';
      out += word;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

struct FailedNode {
  std::string name;     // "node `x` (Reshape)"; empty where no node failed
  std::string message;  // what the node said
};

/// Takes apart "Non-zero status code returned while running Reshape node. Name:'x' Status Message:
/// …".
FailedNode FindFailedNode(std::string_view text) {
  constexpr std::string_view kRunning = "while running ", kName = "Name:'",
                             kMessage = "Status Message: ";
  const std::size_t running = text.find(kRunning);
  const std::size_t quote = text.find(kName);
  const std::size_t message = text.find(kMessage);
  if (running == std::string_view::npos || quote == std::string_view::npos ||
      message == std::string_view::npos || message < quote) {
    return {};
  }
  const std::size_t type_begin = running + kRunning.size();
  const std::string type(text.substr(type_begin, text.find(' ', type_begin) - type_begin));
  const std::size_t begin = quote + kName.size();
  const std::string name(text.substr(begin, text.find('\'', begin) - begin));
  return {name.empty() ? "a node (" + type + ")" : "node `" + name + "` (" + type + ")",
          std::string(text.substr(message + kMessage.size()))};
}

bool OutOfMemory(std::string_view text) {
  return Contains(text, "bad_alloc") || Contains(text, "Failed to allocate memory") ||
         Contains(text, "out of memory");
}

}  // namespace

std::string CleanText(std::string_view text) {
  return base::Printable(WithoutPaths(WithoutSource(std::string(text))), kLongestText);
}

base::Error ErrorOf(OrtErrorCode code, std::string_view text) {
  if (OutOfMemory(text)) return base::ResourceExhausted("ONNX Runtime ran out of memory");
  if (const FailedNode node = FindFailedNode(text); !node.name.empty()) {
    return base::InvalidArgument("the model failed at " + base::Printable(node.name, 128) + ": " +
                                 CleanText(node.message));
  }
  if (code == ORT_ENGINE_ERROR) return base::Unavailable(CleanText(text));
  return base::InvalidArgument(CleanText(text));
}

}  // namespace muster::backends::onnx
