#include "muster/server/codec/multipart.h"

#include <algorithm>
#include <optional>
#include <string>

#include "muster/base/text.h"

namespace muster::server::codec {
namespace {

using base::Error;

constexpr std::size_t kMaxBoundary = 70;  // RFC 2046 5.1.1

Error Bad(std::string_view what) {
  return base::InvalidArgument("multipart/form-data: " + std::string(what), "MULTIPART");
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

/// The value of `name` among the parameters of a header, quoted or not.
std::optional<std::string> Parameter(std::string_view header, std::string_view name) {
  std::size_t at = header.find(';');
  while (at != std::string_view::npos && at < header.size()) {
    at = header.find_first_not_of("; \t", at);
    if (at == std::string_view::npos) break;
    const std::size_t equals = header.find('=', at);
    if (equals == std::string_view::npos) break;
    const std::string_view key = header.substr(at, equals - at);
    std::string value;
    at = equals + 1;
    if (at < header.size() && header[at] == '"') {
      for (++at; at < header.size() && header[at] != '"'; ++at) {
        if (header[at] == '\\' && at + 1 < header.size()) ++at;
        value += header[at];
      }
      at = header.find(';', at);
    } else {
      const std::size_t end = std::min(header.find(';', at), header.size());
      value = header.substr(at, end - at);
      while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.pop_back();
      at = end;
    }
    if (std::ranges::equal(key, name, {}, Lower, Lower)) return value;
  }
  return std::nullopt;
}

/// The value of the header called `name` (in small letters) among a part's lines.
std::string_view Header(std::string_view head, std::string_view name) {
  while (!head.empty()) {
    const std::size_t end = std::min(head.find("\r\n"), head.size());
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(end + 2, head.size()));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    if (std::ranges::equal(line.substr(0, colon), name, {}, Lower)) return line.substr(colon + 1);
  }
  return {};
}

}  // namespace

base::Result<std::span<const std::byte>> FileOfForm(std::span<const std::byte> body,
                                                    std::string_view content_type) {
  const std::optional<std::string> boundary = Parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > kMaxBoundary) {
    return Bad("expected a boundary of 1 to 70 characters in Content-Type");
  }
  std::string_view rest(reinterpret_cast<const char*>(body.data()), body.size());
  const std::string delimiter = "\r\n--" + *boundary;
  // The first one needs no line break before it.
  if (!rest.starts_with(std::string_view(delimiter).substr(2))) {
    return Bad("expected --" + base::Printable(*boundary, kMaxBoundary) + " at the start");
  }
  rest.remove_prefix(delimiter.size() - 2);
  std::optional<std::string_view> file;
  while (!rest.starts_with("--")) {
    if (!rest.starts_with("\r\n")) return Bad("expected a line break behind the boundary");
    // A part without headers begins with an empty line, so the break belongs to the search.
    const std::size_t head_end = rest.find("\r\n\r\n");
    const std::size_t part_end = rest.find(delimiter);
    if (head_end == std::string_view::npos || part_end == std::string_view::npos ||
        head_end > part_end) {
      return Bad("a part is not closed by its boundary");
    }
    const std::string_view head = rest.substr(2, head_end < 2 ? 0 : head_end - 2);
    const std::string_view disposition = Header(head, "content-disposition");
    if (!Parameter(disposition, "filename")) {
      const std::string name = Parameter(disposition, "name").value_or("");
      return Bad("expected one file and nothing else, got the field `" + base::Printable(name) +
                 "`");
    }
    if (file) return Bad("expected one file, got several");
    if (head_end + 4 > part_end + 2) return Bad("a part is not closed by its boundary");
    file = head_end + 4 > part_end ? std::string_view()
                                   : rest.substr(head_end + 4, part_end - head_end - 4);
    rest.remove_prefix(part_end + delimiter.size());
  }
  if (!file) return Bad("expected a file, got none");
  return std::as_bytes(std::span(*file));
}

}  // namespace muster::server::codec
