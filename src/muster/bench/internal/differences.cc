#include "muster/bench/internal/differences.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

namespace muster::bench {
namespace {

using tensor::DType;
using tensor::Tensor;

double Between(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double distance = std::abs(a - b);
  return std::isnan(distance) ? std::numeric_limits<double>::infinity() : distance;
}

template <class T, class Distance>
void AddElements(const Tensor& a, const Tensor& b, OutputDifference& into, Distance distance) {
  const auto x = a.data<T>();
  const auto y = b.data<T>();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double d = distance(x[i], y[i]);
    into.largest = std::max(into.largest, d);
    into.differing += d > 0;
  }
  into.elements += static_cast<std::int64_t>(x.size());
}

template <class T>
void AddNumbers(const Tensor& a, const Tensor& b, OutputDifference& into) {
  AddElements<T>(a, b, into,
                 [](T x, T y) { return Between(static_cast<double>(x), static_cast<double>(y)); });
}

void AddHalves(const Tensor& a, const Tensor& b, OutputDifference& into,
               float (*widen)(std::uint16_t)) {
  AddElements<std::uint16_t>(a, b, into, [widen](std::uint16_t x, std::uint16_t y) {
    return Between(static_cast<double>(widen(x)), static_cast<double>(widen(y)));
  });
}

void AddTensors(const Tensor& a, const Tensor& b, OutputDifference& into) {
  switch (a.dtype()) {
    case DType::kBool:
      return AddNumbers<bool>(a, b, into);
    case DType::kUint8:
      return AddNumbers<std::uint8_t>(a, b, into);
    case DType::kUint16:
      return AddNumbers<std::uint16_t>(a, b, into);
    case DType::kUint32:
      return AddNumbers<std::uint32_t>(a, b, into);
    case DType::kUint64:
      return AddNumbers<std::uint64_t>(a, b, into);
    case DType::kInt8:
      return AddNumbers<std::int8_t>(a, b, into);
    case DType::kInt16:
      return AddNumbers<std::int16_t>(a, b, into);
    case DType::kInt32:
      return AddNumbers<std::int32_t>(a, b, into);
    case DType::kInt64:
      return AddNumbers<std::int64_t>(a, b, into);
    case DType::kFp32:
      return AddNumbers<float>(a, b, into);
    case DType::kFp64:
      return AddNumbers<double>(a, b, into);
    case DType::kFp16:
      return AddHalves(a, b, into, tensor::HalfToFloat);
    case DType::kBf16:
      return AddHalves(a, b, into, tensor::BFloat16ToFloat);
    case DType::kBytes:
      return AddElements<std::string>(a, b, into, [](const std::string& x, const std::string& y) {
        return x == y ? 0.0 : 1.0;
      });
  }
}

}  // namespace

Differences::Differences(const model::ModelSpec& spec, std::vector<std::string> names) {
  for (std::size_t a = 0; a < names.size(); ++a) {
    for (std::size_t b = a + 1; b < names.size(); ++b) {
      Pair pair{a, b, {}};
      for (const model::TensorSpec& output : spec.outputs) {
        pair.outputs.push_back({.output = output.name, .a = names[a], .b = names[b]});
      }
      pairs_.push_back(std::move(pair));
    }
  }
}

void Differences::Add(const std::vector<Tensors>& answers) {
  any_ = true;
  for (Pair& pair : pairs_) {
    for (std::size_t i = 0; i < pair.outputs.size(); ++i) {
      const Tensor& a = answers[pair.a][i];
      const Tensor& b = answers[pair.b][i];
      OutputDifference& into = pair.outputs[i];
      if (a.shape() == b.shape()) {
        AddTensors(a, b, into);
        continue;
      }
      // An open axis that one fills more than the other: nothing of it can be compared.
      into.largest = std::numeric_limits<double>::infinity();
      into.differing += std::max(a.shape().elements(), b.shape().elements());
      into.elements += std::max(a.shape().elements(), b.shape().elements());
    }
  }
}

std::vector<OutputDifference> Differences::Farthest() const {
  std::vector<OutputDifference> farthest;
  if (!any_ || pairs_.empty()) return farthest;
  for (std::size_t i = 0; i < pairs_[0].outputs.size(); ++i) {
    const auto& pair = std::ranges::max(pairs_, {}, [i](const Pair& p) {
      return std::pair(p.outputs[i].largest, p.outputs[i].differing);
    });
    farthest.push_back(pair.outputs[i]);
  }
  return farthest;
}

}  // namespace muster::bench
