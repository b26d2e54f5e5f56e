#include "muster/server/codec/internal/tensor_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "muster/server/codec/json_writer.h"

namespace muster::server::codec {
namespace internal {
namespace {

using tensor::DType;

// More than the longest texts of a number and its comma: "-2.2250738585072014e-308,".
constexpr std::size_t kMaxElementBytes = 32;
// Room is made for this many at once, so that a string's growth costs nothing per element.
constexpr std::int64_t kRun = 64;

/// Writes elements that are in memory as T and mean As(bits).
template <class T, class As>
class ElementWriter {
 public:
  ElementWriter(std::string& out, const T* values, As as) : out_(out), at_(values), as_(as) {}

  void Write(std::span<const std::int64_t> dims) {
    if (dims.empty()) return Run(1);
    out_ += '[';
    if (dims.size() == 1) {
      Run(dims[0]);
    } else {
      for (std::int64_t i = 0; i < dims[0]; ++i) {
        if (i > 0) out_ += ',';
        Write(dims.subspan(1));
      }
    }
    out_ += ']';
  }
  bool nonfinite() const { return nonfinite_; }

 private:
  void Run(std::int64_t count) {
    for (std::int64_t done = 0; done < count; done += kRun) {
      const std::int64_t run = std::min(kRun, count - done);
      const std::size_t before = out_.size();
      out_.resize(before + static_cast<std::size_t>(run) * kMaxElementBytes);
      char* to = out_.data() + before;
      for (std::int64_t i = 0; i < run; ++i) {
        if (done + i > 0) *to++ = ',';
        to = One(to, as_(*at_++));
      }
      out_.resize(static_cast<std::size_t>(to - out_.data()));
    }
  }

  template <class V>
  char* One(char* to, V value) {
    if constexpr (std::is_same_v<V, bool>) {
      const std::string_view text = value ? "true" : "false";
      return std::copy(text.begin(), text.end(), to);
    } else {
      if constexpr (std::is_floating_point_v<V>) {
        if (!std::isfinite(value)) {
          nonfinite_ = true;
          return std::copy_n("null", 4, to);
        }
      }
      return std::to_chars(to, to + kMaxElementBytes - 1, value).ptr;
    }
  }

  std::string& out_;
  const T* at_;
  As as_;
  bool nonfinite_ = false;
};

void WriteStrings(std::string& out, const std::string*& at, std::span<const std::int64_t> dims) {
  if (dims.empty()) return AppendJsonString(out, *at++);
  out += '[';
  for (std::int64_t i = 0; i < dims[0]; ++i) {
    if (i > 0) out += ',';
    WriteStrings(out, at, dims.subspan(1));
  }
  out += ']';
}

/// Calls `f(pointer to the elements, what one of them means)`; not for strings.
template <class F>
auto WithElements(const tensor::Tensor& t, std::int64_t offset, F f) {
  const auto same = [](auto v) { return v; };
  const auto at = [&]<class T>(const T*) { return reinterpret_cast<const T*>(t.bytes()) + offset; };
  switch (t.dtype()) {
    case DType::kBool:
      return f(at(static_cast<const std::uint8_t*>(nullptr)),
               [](std::uint8_t v) { return v != 0; });
    case DType::kUint8:
      return f(at(static_cast<const std::uint8_t*>(nullptr)), same);
    case DType::kUint16:
      return f(at(static_cast<const std::uint16_t*>(nullptr)), same);
    case DType::kUint32:
      return f(at(static_cast<const std::uint32_t*>(nullptr)), same);
    case DType::kUint64:
      return f(at(static_cast<const std::uint64_t*>(nullptr)), same);
    case DType::kInt8:
      return f(at(static_cast<const std::int8_t*>(nullptr)), same);
    case DType::kInt16:
      return f(at(static_cast<const std::int16_t*>(nullptr)), same);
    case DType::kInt32:
      return f(at(static_cast<const std::int32_t*>(nullptr)), same);
    case DType::kInt64:
      return f(at(static_cast<const std::int64_t*>(nullptr)), same);
    case DType::kFp16:
      return f(at(static_cast<const std::uint16_t*>(nullptr)), tensor::HalfToFloat);
    case DType::kBf16:
      return f(at(static_cast<const std::uint16_t*>(nullptr)), tensor::BFloat16ToFloat);
    case DType::kFp64:
      return f(at(static_cast<const double*>(nullptr)), same);
    case DType::kFp32:
    case DType::kBytes:
      break;
  }
  return f(at(static_cast<const float*>(nullptr)), same);
}

}  // namespace

bool AppendElements(std::string& out, const tensor::Tensor& t, std::int64_t offset,
                    std::span<const std::int64_t> dims) {
  if (t.dtype() == DType::kBytes) {
    const std::string* at = t.strings() + offset;
    WriteStrings(out, at, dims);
    return false;
  }
  return WithElements(t, offset, [&](const auto* values, auto as) {
    ElementWriter writer(out, values, as);
    writer.Write(dims);
    return writer.nonfinite();
  });
}

bool AppendRow(std::string& out, const tensor::Tensor& t, std::int64_t row) {
  if (t.shape().rank() == 0) return AppendElements(out, t, 0, {});
  return AppendElements(out, t, row * t.shape().elements_per_row(), t.shape().dims().subspan(1));
}

bool IsFloat(DType dtype) {
  return dtype == DType::kFp16 || dtype == DType::kBf16 || dtype == DType::kFp32 ||
         dtype == DType::kFp64;
}

double FloatAt(const tensor::Tensor& t, std::int64_t offset) {
  MUSTER_CHECK(IsFloat(t.dtype()), "an element that is no floating-point number");
  return WithElements(t, offset,
                      [](const auto* value, auto as) { return static_cast<double>(as(*value)); });
}

bool IntegerAt(const tensor::Tensor& t, std::int64_t offset, std::int64_t& value) {
  if (t.dtype() == DType::kBytes || IsFloat(t.dtype())) return false;
  value = WithElements(t, offset, [](const auto* element, auto as) {
    return static_cast<std::int64_t>(as(*element));
  });
  return true;
}

}  // namespace internal

bool AppendJsonTensor(std::string& out, const tensor::Tensor& t) {
  return internal::AppendElements(out, t, 0, t.shape().dims());
}

}  // namespace muster::server::codec
