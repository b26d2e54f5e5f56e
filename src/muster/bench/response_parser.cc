#include "muster/bench/response_parser.h"

#include <algorithm>
#include <charconv>

namespace muster::bench {
namespace {

constexpr std::size_t kMaxHead = 64 * 1024;
constexpr std::uint64_t kMaxBody = std::uint64_t{1} << 32;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool EqualsIgnoringCase(std::string_view a, std::string_view lower) {
  return a.size() == lower.size() && std::equal(a.begin(), a.end(), lower.begin(),
                                                [](char x, char y) { return Lower(x) == y; });
}

std::string_view Trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin);
}

}  // namespace

void ResponseParser::Reset() {
  state_ = State::kHead;
  status_ = 0;
  keep_alive_ = true;
  chunked_ = false;
  has_length_ = false;
  length_ = left_ = 0;
  head_.clear();
  body_.clear();
}

std::size_t ResponseParser::Feed(std::string_view bytes) {
  std::size_t taken = 0;
  while (reading() && taken < bytes.size()) {
    const std::string_view rest = bytes.substr(taken);
    switch (state_) {
      case State::kHead:
        taken += FeedHead(rest);
        break;
      case State::kChunkSize:
      case State::kChunkEnd:
      case State::kTrailer:
        taken += FeedLine(rest);
        break;
      default:
        taken += FeedBody(rest);
    }
  }
  return taken;
}

void ResponseParser::End() {
  if (state_ == State::kUntilClose) {
    state_ = State::kDone;
    keep_alive_ = false;
  } else if (state_ != State::kDone) {
    state_ = State::kBroken;
  }
}

std::size_t ResponseParser::FeedHead(std::string_view bytes) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  if (head_.empty()) {
    // Mostly the whole head comes at once and need not be copied.
    if (const auto end = bytes.find(kEnd); end != std::string_view::npos) {
      ReadHead(bytes.substr(0, end + 2));
      return end + kEnd.size();
    }
  }
  const std::size_t before = head_.size();
  head_.append(bytes);
  const auto end = head_.find(kEnd, before < 3 ? 0 : before - 3);
  if (end == std::string::npos) {
    if (head_.size() > kMaxHead) state_ = State::kBroken;
    return bytes.size();
  }
  const std::size_t taken = end + kEnd.size() - before;
  head_.resize(end + 2);
  ReadHead(head_);
  head_.clear();
  return taken;
}

void ResponseParser::ReadHead(std::string_view head) {
  const auto line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  const bool http = line.size() >= 12 && line.starts_with("HTTP/1.") && line[8] == ' ';
  const char* digits = line.data() + 9;
  if (!http || std::from_chars(digits, digits + 3, status_).ptr != digits + 3 || status_ < 100) {
    state_ = State::kBroken;
    return;
  }
  keep_alive_ = line[7] != '0';
  head.remove_prefix(line_end + 2);
  while (!head.empty()) {
    const auto end = head.find("\r\n");
    ReadField(head.substr(0, end));
    head.remove_prefix(end + 2);
  }
  if (state_ != State::kBroken) BeginBody();
}

void ResponseParser::ReadField(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view name = line.substr(0, colon);
  // Every other field is left unread at the cost of one comparison.
  const char first = Lower(name.empty() ? ' ' : name[0]);
  if (first != 'c' && first != 't') return;
  const std::string_view value = Trimmed(line.substr(colon + 1));
  if (EqualsIgnoringCase(name, "content-length")) {
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length_);
    has_length_ = true;
    if (error != std::errc() || end != value.data() + value.size() || length_ > kMaxBody) {
      state_ = State::kBroken;
    }
  } else if (EqualsIgnoringCase(name, "transfer-encoding")) {
    chunked_ = EqualsIgnoringCase(value, "chunked");
  } else if (EqualsIgnoringCase(name, "connection")) {
    if (EqualsIgnoringCase(value, "close")) keep_alive_ = false;
    if (EqualsIgnoringCase(value, "keep-alive")) keep_alive_ = true;
  }
}

void ResponseParser::BeginBody() {
  if (status_ < 200) {
    Reset();
  } else if (status_ == 204 || status_ == 304) {
    state_ = State::kDone;
  } else if (chunked_) {
    state_ = State::kChunkSize;
  } else if (has_length_) {
    left_ = length_;
    state_ = left_ == 0 ? State::kDone : State::kLength;
  } else {
    state_ = State::kUntilClose;
  }
}

std::size_t ResponseParser::FeedBody(std::string_view bytes) {
  if (state_ == State::kUntilClose) {
    if (body_.size() + bytes.size() > kMaxBody) state_ = State::kBroken;
    body_.append(bytes);
    return bytes.size();
  }
  const std::size_t taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  body_.append(bytes.substr(0, taken));
  left_ -= taken;
  if (left_ == 0) state_ = state_ == State::kChunk ? State::kChunkEnd : State::kDone;
  return taken;
}

std::size_t ResponseParser::FeedLine(std::string_view bytes) {
  const auto end = bytes.find('\n');
  head_.append(bytes.substr(0, end));
  if (end == std::string_view::npos) {
    if (head_.size() > kMaxHead) state_ = State::kBroken;
    return bytes.size();
  }
  if (head_.ends_with('\r')) head_.pop_back();
  if (state_ == State::kChunkSize) {
    ReadChunkSize();
  } else if (state_ == State::kChunkEnd) {
    state_ = head_.empty() ? State::kChunkSize : State::kBroken;
  } else if (head_.empty()) {
    state_ = State::kDone;
  }
  head_.clear();
  return end + 1;
}

void ResponseParser::ReadChunkSize() {
  const auto [end, error] = std::from_chars(head_.data(), head_.data() + head_.size(), left_, 16);
  const bool ended = end == head_.data() + head_.size() || *end == ';' || *end == ' ';
  if (error != std::errc() || !ended || left_ > kMaxBody || body_.size() > kMaxBody) {
    state_ = State::kBroken;
  } else {
    state_ = left_ == 0 ? State::kTrailer : State::kChunk;
  }
}

}  // namespace muster::bench
