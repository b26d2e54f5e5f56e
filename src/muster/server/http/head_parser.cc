#include "muster/server/http/head_parser.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "muster/base/text.h"
#include "muster/server/http/ascii.h"
#include "muster/server/http/target.h"

namespace muster::server::http {
namespace {

// Method, two spaces and the version beside the URL; no method we know is longer than 7.
constexpr std::size_t kRequestLineExtra = 64;

constexpr std::array<bool, 256> kToken = [] {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~"))
    table[static_cast<unsigned char>(c)] = true;
  return table;
}();

// Everything but control characters; tabs are fine, bytes above ASCII are opaque (RFC 9110 5.5).
constexpr std::array<bool, 256> kFieldText = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0x20; c < 256; ++c) table[c] = c != 0x7f;
  table['\t'] = true;
  return table;
}();

bool AllOf(std::string_view text, const std::array<bool, 256>& table) {
  for (const char c : text) {
    if (!table[static_cast<unsigned char>(c)]) return false;
  }
  return true;
}

Method MethodOf(std::string_view text) {
  for (const Method m : {Method::kPost, Method::kGet, Method::kHead, Method::kPut, Method::kDelete,
                         Method::kOptions}) {
    if (text == MethodName(m)) return m;
  }
  return Method::kOther;
}

}  // namespace

bool IsTokenCharacter(char c) { return kToken[static_cast<unsigned char>(c)]; }

base::Error Malformed(std::string message) {
  return base::InvalidArgument(std::move(message), "MALFORMED_REQUEST");
}

base::Status SplitField(std::string_view line, std::string_view& name, std::string_view& value) {
  const std::size_t colon = line.find(':');
  name = line.substr(0, colon);
  // Also refuses folded lines (they begin with a space) and a space before the colon.
  if (colon == std::string_view::npos || name.empty() || !AllOf(name, kToken)) {
    return Malformed("expected `name: value`, got header line " + base::Printable(line));
  }
  value = Trim(line.substr(colon + 1));
  if (!AllOf(value, kFieldText)) {
    return Malformed("control character in the value of header " + base::Printable(name));
  }
  return {};
}

void HeadParser::Reset() {
  fields_.clear();
  query_.clear();
  next_line_ = scanned_ = fields_begin_ = 0;
  skipped_empty_line_ = has_request_line_ = false;
  method_ = Method::kOther;
  path_ = target_ = method_text_ = {};
  content_length_.reset();
  http_1_0_ = has_host_ = chunked_ = says_close_ = says_keep_alive_ = expects_continue_ = false;
}

HeadParser::Range HeadParser::RangeOf(std::string_view view) const {
  return {static_cast<std::uint32_t>(view.data() - base_), static_cast<std::uint32_t>(view.size())};
}

base::Result<bool> HeadParser::Parse(std::span<char> bytes) {
  base_ = bytes.data();
  while (next_line_ < bytes.size()) {
    const char first = bytes[next_line_];
    // Without waiting for a line end that TLS, say, may never send.
    if (!has_request_line_ && !IsTokenCharacter(first) && first != '\r') {
      return Malformed("a request begins with a method; is this plain HTTP?");
    }
    const auto* end =
        static_cast<const char*>(std::memchr(base_ + scanned_, '\n', bytes.size() - scanned_));
    const std::size_t line_end =
        end == nullptr ? bytes.size() : static_cast<std::size_t>(end - base_) + 1;
    MUSTER_RETURN_IF_ERROR(CheckLimits(line_end));
    scanned_ = line_end;
    if (end == nullptr) return false;
    std::string_view line(base_ + next_line_, line_end - next_line_);
    if (line.size() < 2 || line[line.size() - 2] != '\r') {
      return Malformed("a header line ends with LF alone, not CR LF");
    }
    line.remove_suffix(2);
    next_line_ = line_end;
    if (has_request_line_ && line.empty()) {
      MUSTER_RETURN_IF_ERROR(Finish(bytes.data()));
      return true;
    }
    if (has_request_line_) {
      MUSTER_RETURN_IF_ERROR(ParseField(line));
    } else if (line.empty() && !skipped_empty_line_) {
      skipped_empty_line_ = true;  // some clients end a body with a CRLF too many (RFC 9112 2.2)
    } else {
      MUSTER_RETURN_IF_ERROR(ParseRequestLine(line));
      fields_begin_ = next_line_;
    }
  }
  return false;
}

base::Status HeadParser::CheckLimits(std::size_t line_end) const {
  if (!has_request_line_ && line_end - next_line_ > limits_.max_url_bytes + kRequestLineExtra) {
    return base::ResourceExhausted(
        "the URL is longer than " + std::to_string(limits_.max_url_bytes) + " bytes",
        "URL_TOO_LONG");
  }
  if (has_request_line_ && line_end - fields_begin_ > limits_.max_header_bytes) {
    return base::ResourceExhausted(
        "the header is longer than " + std::to_string(limits_.max_header_bytes) + " bytes",
        "HEADER_TOO_LARGE");
  }
  return {};
}

base::Status HeadParser::ParseRequestLine(std::string_view line) {
  const std::size_t method_end = line.find(' ');
  const std::size_t target_end =
      method_end == std::string_view::npos ? method_end : line.find(' ', method_end + 1);
  const std::string_view method = line.substr(0, method_end);
  if (target_end == std::string_view::npos || method.empty() || !AllOf(method, kToken)) {
    return Malformed("expected `METHOD /path HTTP/1.1`, got " + base::Printable(line));
  }
  const std::string_view target = line.substr(method_end + 1, target_end - method_end - 1);
  if (target.size() > limits_.max_url_bytes) {
    return base::ResourceExhausted("the URL has " + std::to_string(target.size()) +
                                       " bytes; at most " + std::to_string(limits_.max_url_bytes) +
                                       " are allowed",
                                   "URL_TOO_LONG");
  }
  MUSTER_RETURN_IF_ERROR(ParseVersion(line.substr(target_end + 1)));
  method_ = MethodOf(method);
  method_text_ = RangeOf(method);
  target_ = RangeOf(target);
  has_request_line_ = true;
  return {};
}

base::Status HeadParser::ParseVersion(std::string_view version) {
  http_1_0_ = version == "HTTP/1.0";
  if (http_1_0_ || version == "HTTP/1.1") return {};
  const bool another = version.size() == 8 && version.starts_with("HTTP/") && version[6] == '.' &&
                       HexDigit(version[5]) >= 0 && HexDigit(version[7]) >= 0;
  if (another) {
    return base::Unimplemented("HTTP/1.1 and HTTP/1.0 are served, not " + std::string(version),
                               "HTTP_VERSION");
  }
  return Malformed("expected HTTP/1.1 behind the URL, got " + base::Printable(version));
}

base::Status HeadParser::ParseField(std::string_view line) {
  if (fields_.size() == limits_.max_fields) {
    return base::ResourceExhausted(
        "more than " + std::to_string(limits_.max_fields) + " header fields", "HEADER_TOO_LARGE");
  }
  std::string_view name;
  std::string_view value;
  MUSTER_RETURN_IF_ERROR(SplitField(line, name, value));
  fields_.push_back({RangeOf(name), RangeOf(value)});
  return TakeKnownField(name, value);
}

base::Status HeadParser::TakeKnownField(std::string_view name, std::string_view value) {
  switch (name.size()) {  // most fields are told apart by length alone
    case 4:
      if (EqualsIgnoringCase(name, "host")) return TakeHost(value);
      break;
    case 6:
      if (EqualsIgnoringCase(name, "expect")) {
        if (!EqualsIgnoringCase(value, "100-continue")) {
          return base::FailedPrecondition("cannot meet expectation " + base::Printable(value),
                                          "EXPECTATION_FAILED");
        }
        expects_continue_ = true;
      }
      break;
    case 10:
      if (EqualsIgnoringCase(name, "connection")) TakeConnection(value);
      break;
    case 14:
      if (EqualsIgnoringCase(name, "content-length")) return TakeContentLength(value);
      break;
    case 17:
      if (EqualsIgnoringCase(name, "transfer-encoding")) return TakeTransferEncoding(value);
      break;
    default:
      break;
  }
  return {};
}

base::Status HeadParser::TakeContentLength(std::string_view value) {
  // A second one is refused even where both agree: that is how smuggling begins.
  bool good = !content_length_ && !value.empty() && value.size() <= 19;
  std::uint64_t length = 0;
  for (const char c : value) {
    good = good && c >= '0' && c <= '9';
    if (good) length = length * 10 + static_cast<std::uint64_t>(c - '0');  // 19 digits: no overflow
  }
  if (!good) {
    return Malformed("expected one Content-Length of decimal digits, got " +
                     base::Printable(value));
  }
  content_length_ = length;
  return {};
}

base::Status HeadParser::TakeTransferEncoding(std::string_view value) {
  if (chunked_ || http_1_0_ || !EqualsIgnoringCase(value, "chunked")) {
    return Malformed("expected one Transfer-Encoding, `chunked`, on HTTP/1.1; got " +
                     base::Printable(value));
  }
  chunked_ = true;
  return {};
}

base::Status HeadParser::TakeHost(std::string_view value) {
  if (has_host_ || value.find_first_of(" \t/\\?#@<>\",") != std::string_view::npos) {
    return Malformed("expected one Host, `name` or `name:port`, got " + base::Printable(value));
  }
  has_host_ = true;
  return {};
}

void HeadParser::TakeConnection(std::string_view value) {
  while (!value.empty()) {
    const std::string_view option = TakeUntil(value, ',');
    says_close_ = says_close_ || EqualsIgnoringCase(option, "close");
    says_keep_alive_ = says_keep_alive_ || EqualsIgnoringCase(option, "keep-alive");
  }
}

base::Status HeadParser::Finish(char* base) {
  if (!has_host_ && !http_1_0_) return Malformed("an HTTP/1.1 request needs a Host header");
  if (chunked_ && content_length_) {
    return Malformed("a request has Content-Length or Transfer-Encoding, not both");
  }
  return ParseTarget(base);
}

base::Status HeadParser::ParseTarget(char* base) {
  MUSTER_ASSIGN_OR_RETURN(const auto target, SplitTarget(View(target_), method_));
  path_ = RangeOf(target.path);
  if (target.path.empty()) path_ = {};
  const Range query = target.query.empty() ? Range{} : RangeOf(target.query);
  MUSTER_ASSIGN_OR_RETURN(const std::size_t size,
                          DecodeInPlace({base + path_.begin, path_.size}, Decode::kPath));
  path_.size = static_cast<std::uint32_t>(size);
  return ParseQuery(base, query);
}

base::Status HeadParser::ParseQuery(char* base, Range query) {
  std::string_view rest = View(query);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest = rest.substr(std::min(end + 1, rest.size()));
    if (part.empty()) continue;
    if (query_.size() == limits_.max_fields) {
      return base::InvalidArgument(
          "more than " + std::to_string(limits_.max_fields) + " query parameters", "TOO_MANY");
    }
    const std::size_t equals = std::min(part.find('='), part.size());
    Pair pair{RangeOf(part.substr(0, equals)),
              RangeOf(part.substr(std::min(equals + 1, part.size())))};
    for (Range* range : {&pair.name, &pair.value}) {
      MUSTER_ASSIGN_OR_RETURN(const std::size_t size,
                              DecodeInPlace({base + range->begin, range->size}, Decode::kQuery));
      range->size = static_cast<std::uint32_t>(size);
    }
    query_.push_back(pair);
  }
  return {};
}

std::string_view HeadParser::Query(std::string_view name) const {
  for (const Pair& pair : query_) {
    if (View(pair.name) == name) return View(pair.value);
  }
  return {};
}

std::vector<std::string_view> HeadParser::QueryNames() const {
  std::vector<std::string_view> names;
  for (const Pair& pair : query_) names.push_back(View(pair.name));
  return names;
}

std::string_view HeadParser::Header(std::string_view name) const {
  for (const Pair& field : fields_) {
    if (EqualsIgnoringCase(View(field.name), name)) return View(field.value);
  }
  return {};
}

std::size_t HeadParser::CountHeader(std::string_view name) const {
  std::size_t count = 0;
  for (const Pair& field : fields_) count += EqualsIgnoringCase(View(field.name), name) ? 1 : 0;
  return count;
}

}  // namespace muster::server::http
