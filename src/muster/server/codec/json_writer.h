#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "muster/base/clock.h"
#include "muster/tensor/tensor.h"

namespace muster::server::codec {

/// `"text"` with everything JSON needs escaped; bytes that are not UTF-8 become U+FFFD.
void AppendJsonString(std::string& out, std::string_view text);
/// Shortest form that reads back to the same double; `null` for NaN and infinities (JSON has none).
void AppendJsonNumber(std::string& out, double value);
/// Shortest form that reads back to the same float.
void AppendJsonNumber(std::string& out, float value);
void AppendJsonNumber(std::string& out, std::int64_t value);
void AppendJsonNumber(std::string& out, std::uint64_t value);
inline void AppendJsonBool(std::string& out, bool value) { out += value ? "true" : "false"; }

/// Elements of `t` as nested lists in row-major order; a scalar for rank 0. True if any was not
/// finite (written as null).
bool AppendJsonTensor(std::string& out, const tensor::Tensor& t);

/// Writes objects and arrays with the commas in the right places; keys must be plain literals.
///
///   JsonWriter w(out);
///   w.BeginObject(); w.Key("a"); w.Number(1.5); w.EndObject();   // {"a":1.5}
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}
  void BeginObject() { Open('{'); }
  void EndObject() { Close('}'); }
  void BeginArray() { Open('['); }
  void EndArray() { Close(']'); }
  /// A key of ours (not escaped).
  void Key(std::string_view key);
  /// A key from outside (escaped).
  void AnyKey(std::string_view key);
  void String(std::string_view text);
  void Number(double v);
  void Number(float v);
  void Number(std::int64_t v);
  void Number(std::uint64_t v);
  void Number(int v) { Number(static_cast<std::int64_t>(v)); }
  void Bool(bool v);
  void Null();
  /// "2026-01-02T03:04:05.678Z".
  void Time(base::WallTime time);
  /// JSON text made elsewhere.
  void Raw(std::string_view json);
  void Tensor(const tensor::Tensor& t);
  /// The text so far, for one value that the caller appends by itself.
  std::string& Value() {
    Comma();
    return out_;
  }

 private:
  void Open(char c) {
    Comma();
    out_ += c;
    need_comma_ = false;
  }
  void Close(char c) {
    out_ += c;
    need_comma_ = true;
  }
  void Comma() {
    if (need_comma_) out_ += ',';
    need_comma_ = true;
  }
  std::string& out_;
  bool need_comma_ = false;
};

}  // namespace muster::server::codec
