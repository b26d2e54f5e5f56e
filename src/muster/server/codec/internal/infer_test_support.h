#pragma once

#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "muster/server/codec/infer.h"
#include "muster/server/codec/internal/codec_test_support.h"

namespace muster::server::codec {

/// The bytes of `values` as a binary part.
template <class T>
std::string BytesOf(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

/// Strings as a binary part.
inline std::string StringBytes(const std::vector<std::string>& texts) {
  std::string bytes;
  for (const std::string& text : texts) {
    const auto length = static_cast<std::uint32_t>(text.size());
    bytes.append(reinterpret_cast<const char*>(&length), sizeof(length));
    bytes += text;
  }
  return bytes;
}

/// JSON with so many blanks behind it that what follows begins `by` bytes behind a multiple of 8.
inline std::string Padded(std::string json, std::size_t by = 0) {
  while (json.size() % 8 != by) json += ' ';
  return json;
}

/// A body in aligned memory of its own, with the padding that every reader of ours may read.
inline tensor::BufferRef InferBody(std::string_view json, std::string_view binary = {}) {
  const std::string all = std::string(json) + std::string(binary);
  const auto owner =
      std::make_shared<const tensor::BufferRef>(tensor::BufferRef::Allocate(all.size() + 64));
  std::memset(owner->data(), '!', all.size() + 64);
  std::memcpy(owner->data(), all.data(), all.size());
  return tensor::BufferRef::Share(owner, owner->data(), all.size());
}

/// `json`, and behind it `binary` where there is any.
inline base::Result<InferRequest> DecodeText(const engine::ModelLease& model, std::string_view json,
                                             std::string_view binary = {},
                                             const DecodeLimits& limits = {}) {
  std::optional<std::size_t> header_bytes;
  if (!binary.empty()) header_bytes = json.size();
  return DecodeInfer(InferBody(json, binary), header_bytes, model, limits);
}

inline InferRequest Decoded(const engine::ModelLease& model, std::string_view json,
                            std::string_view binary = {}) {
  auto request = DecodeText(model, json, binary);
  EXPECT_TRUE(request) << request.error().ToString();
  return request ? *std::move(request) : InferRequest{.model = model};
}

/// "REASON: text" of a request that must be refused.
inline std::string Told(const base::Result<InferRequest>& request) {
  if (request) return "accepted";
  const base::Error& error = request.error();
  EXPECT_TRUE(error.code == base::Code::kInvalidArgument ||
              error.code == base::Code::kUnimplemented)
      << error.ToString();
  return std::string(error.Reason()) + ": " + error.message;
}

inline std::string Refusal(const engine::ModelLease& model, std::string_view json,
                           std::string_view binary = {}) {
  return Told(DecodeText(model, json, binary));
}

/// A request with the input "x" alone; `rest` is its data or its parameters.
inline std::string OneInputText(std::string_view datatype, std::string_view shape,
                                std::string_view rest) {
  return R"({"inputs":[{"name":"x","datatype":")" + std::string(datatype) + R"(","shape":)" +
         std::string(shape) + "," + std::string(rest) + "}]}";
}

inline std::string Fp32Text(std::string_view shape, std::string_view data) {
  return OneInputText("FP32", shape, R"("data":)" + std::string(data));
}

/// "parameters" of an input whose data are binary.
inline std::string BinarySizeText(std::size_t bytes) {
  return R"("parameters":{"binary_data_size":)" + std::to_string(bytes) + "}";
}

/// Inputs "a" FP32 [N, 2] and "b" INT64 [N].
inline std::shared_ptr<registry::ServedVersion> TwoInputs() {
  return FakeVersion(
      "two", {Spec("a", tensor::DType::kFp32, {-1, 2}), Spec("b", tensor::DType::kInt64, {-1})},
      {Spec("y", tensor::DType::kFp32, {-1})});
}

/// A version without a batch axis: input "x" and output "y" of these dims.
inline std::shared_ptr<registry::ServedVersion> WholeTensor(tensor::DType dtype,
                                                            std::vector<std::int64_t> dims) {
  auto version = FakeVersion("whole", {Spec("x", dtype, dims)}, {Spec("y", dtype, dims)});
  version->spec.batch_axis = model::BatchAxis::kNone;
  return version;
}

}  // namespace muster::server::codec
