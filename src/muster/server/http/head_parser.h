#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "muster/base/result.h"
#include "muster/server/http/exchange.h"

namespace muster::server::http {

struct HeadLimits {
  std::size_t max_url_bytes = 8u << 10;
  std::size_t max_header_bytes = 32u << 10;  ///< of all fields together
  std::size_t max_fields = 100;
};

/// True for the characters of methods and field names (RFC 9110 5.6.2).
bool IsTokenCharacter(char c);
/// Checks one `name: value` line without its CRLF; errors: INVALID_ARGUMENT "MALFORMED_REQUEST".
/// `value` comes without the white space around it.
base::Status SplitField(std::string_view line, std::string_view& name, std::string_view& value);
base::Error Malformed(std::string message);

/// Reads the head of an HTTP/1.x request (RFC 9112), any number of bytes at a time, and says the
/// same whatever the pieces. One strict grammar and no second opinion: what is ambiguous to anybody
/// on the way (two lengths, a length and chunks, bare LF, folded lines) is refused. Nothing is
/// copied: fields are offsets into the caller's buffer, which is decoded in place; vectors are
/// reused, so that a warm parser does not allocate. Not thread-safe.
///
///   HeadParser head(limits);
///   while (!*head.Parse(buffer.unread())) buffer.ReadMore();   // may move its bytes between calls
///   head.path(); head.Header("accept"); head.size();
///   head.Reset();                                              // the next message
class HeadParser {
 public:
  explicit HeadParser(const HeadLimits& limits) : limits_(limits) {}

  /// `bytes`: all of this message that has come so far, from its first byte. True once the head is
  /// complete; call no more then. Errors end the connection: 400 "MALFORMED_REQUEST", 414
  /// "URL_TOO_LONG", 431 "HEADER_TOO_LARGE", 417 "EXPECTATION_FAILED", 505 "HTTP_VERSION".
  base::Result<bool> Parse(std::span<char> bytes);
  /// The buffer has moved: it begins at `first` now.
  void Rebase(const char* first) { base_ = first; }
  void Reset();

  /// Of the whole head, with its empty line.
  std::size_t size() const { return next_line_; }
  Method method() const { return method_; }
  /// As sent, also where method() is kOther.
  std::string_view method_text() const { return View(method_text_); }
  /// Percent-decoded; "*" for the asterisk form.
  std::string_view path() const { return path_.size == 0 ? "/" : View(path_); }
  std::string_view Query(std::string_view name) const;
  std::vector<std::string_view> QueryNames() const;
  /// The first field of that name, in any case; empty if there is none.
  std::string_view Header(std::string_view name) const;
  std::size_t CountHeader(std::string_view name) const;

  bool http_1_0() const { return http_1_0_; }
  bool keep_alive() const { return http_1_0_ ? says_keep_alive_ && !says_close_ : !says_close_; }
  bool chunked() const { return chunked_; }
  std::uint64_t content_length() const { return content_length_.value_or(0); }
  bool has_body() const { return chunked_ || content_length() > 0; }
  bool expects_continue() const { return expects_continue_; }

 private:
  struct Range {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;
  };
  struct Pair {
    Range name;
    Range value;
  };

  std::string_view View(Range r) const { return {base_ + r.begin, r.size}; }
  Range RangeOf(std::string_view view) const;
  base::Status CheckLimits(std::size_t line_end) const;
  base::Status ParseRequestLine(std::string_view line);
  base::Status ParseVersion(std::string_view version);
  base::Status ParseField(std::string_view line);
  base::Status TakeKnownField(std::string_view name, std::string_view value);
  base::Status TakeContentLength(std::string_view value);
  base::Status TakeTransferEncoding(std::string_view value);
  base::Status TakeHost(std::string_view value);
  void TakeConnection(std::string_view value);
  base::Status Finish(char* base);
  base::Status ParseTarget(char* base);
  base::Status ParseQuery(char* base, Range query);

  HeadLimits limits_;
  const char* base_ = nullptr;
  std::size_t next_line_ = 0;  // where the line being read begins
  std::size_t scanned_ = 0;    // no line end before it
  std::size_t fields_begin_ = 0;
  bool skipped_empty_line_ = false;
  bool has_request_line_ = false;

  Method method_ = Method::kOther;
  Range method_text_;
  Range target_;
  Range path_;
  std::vector<Pair> fields_;
  std::vector<Pair> query_;
  std::optional<std::uint64_t> content_length_;
  bool http_1_0_ = false;
  bool has_host_ = false;
  bool chunked_ = false;
  bool says_close_ = false;
  bool says_keep_alive_ = false;
  bool expects_continue_ = false;
};

}  // namespace muster::server::http
