#pragma once

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "muster/server/codec/predict_json.h"

namespace muster::server::codec {

/// A body with the padding that every reader of ours may read.
class PaddedBody {
 public:
  explicit PaddedBody(std::string_view json, char padding = '\0') : size_(json.size()) {
    text_.assign(json);
    text_.append(64, padding);
  }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(text_.data(), size_)); }

 private:
  std::string text_;
  std::size_t size_;
};

inline model::TensorSpec Spec(std::string name, tensor::DType dtype,
                              std::vector<std::int64_t> dims) {
  model::TensorSpec spec{.name = std::move(name), .dtype = dtype};
  for (const std::int64_t dim : dims) spec.dims.push_back({.size = dim});
  return spec;
}

/// A version that exists only as its interface; dims include the batch axis (-1).
inline std::shared_ptr<registry::ServedVersion> FakeVersion(std::string name,
                                                            std::vector<model::TensorSpec> inputs,
                                                            std::vector<model::TensorSpec> outputs,
                                                            std::vector<std::string> labels = {}) {
  auto version = std::make_shared<registry::ServedVersion>();
  version->name = std::move(name);
  version->version = "1";
  version->spec.inputs = std::move(inputs);
  version->spec.outputs = std::move(outputs);
  version->spec.labels = std::move(labels);
  model::DeriveBatchAxis(version->spec);
  version->layout = model::DeriveLayout(version->spec);
  return version;
}

/// Input "x" FP32 [N, 4]; outputs "label" INT64 [N] and "probabilities" FP32 [N, 3].
inline std::shared_ptr<registry::ServedVersion> Iris() {
  auto iris = FakeVersion("iris", {Spec("x", tensor::DType::kFp32, {-1, 4})},
                          {Spec("label", tensor::DType::kInt64, {-1}),
                           Spec("probabilities", tensor::DType::kFp32, {-1, 3})},
                          {"setosa", "versicolor", "virginica"});
  iris->config.feature_names = {"sepal_length", "sepal_width", "petal_length", "petal_width"};
  return iris;
}

/// One input "x" of `dtype` with the row dims given.
inline std::shared_ptr<registry::ServedVersion> OneInput(tensor::DType dtype,
                                                         std::vector<std::int64_t> row_dims) {
  row_dims.insert(row_dims.begin(), -1);
  return FakeVersion("m", {Spec("x", dtype, row_dims)}, {Spec("y", dtype, row_dims)});
}

/// Decodes bodies for versions it holds by name; the first is the default.
class Codec {
 public:
  explicit Codec(std::shared_ptr<registry::ServedVersion> version) { Add(std::move(version)); }
  Codec& Add(std::shared_ptr<registry::ServedVersion> version) {
    versions_.push_back(std::move(version));
    return *this;
  }
  DecodeContext context;
  DecodeLimits limits;

  base::Result<DecodedBody> Decode(std::string_view json) const {
    return DecodePredict(
        PaddedBody(json).bytes(), context, limits,
        [this](std::string_view name, std::string_view version) { return Resolve(name, version); });
  }
  base::Result<DecodedBody> DecodeBatch(std::string_view json) const {
    Codec batch = *this;
    batch.context.batch_route = true;
    return batch.Decode(json);
  }
  /// "REASON: text" of a body that must be refused as a whole.
  std::string Refusal(std::string_view json) const { return Told(Decode(json)); }
  std::string BatchRefusal(std::string_view json) const { return Told(DecodeBatch(json)); }

  base::Result<engine::ModelLease> Resolve(std::string_view name, std::string_view version) const {
    for (const auto& held : versions_) {
      if ((name.empty() || held->name == name) && (version.empty() || held->version == version)) {
        return engine::ModelLease(held);
      }
    }
    return base::NotFound("no model \"" + std::string(name) + '"');
  }

  static std::string Told(const base::Result<DecodedBody>& body) {
    if (body) return "accepted";
    const base::Error& error = body.error();
    EXPECT_TRUE(error.code == base::Code::kInvalidArgument || error.code == base::Code::kNotFound)
        << error.ToString();
    return std::string(error.Reason()) + ": " + error.message;
  }

 private:
  std::vector<std::shared_ptr<registry::ServedVersion>> versions_;
};

template <class T>
std::vector<T> Values(const tensor::Tensor& t) {
  const std::span<T> data = t.data<T>();
  return {data.begin(), data.end()};
}

}  // namespace muster::server::codec
