#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "muster/model/spec.h"
#include "muster/server/codec/internal/json_reader.h"
#include "muster/server/codec/predict_json.h"
#include "muster/tensor/tensor.h"

namespace muster::server::codec::internal {

/// The inputs of one request of the Open Inference Protocol as they are read: first what JSON says
/// of each, with the data that are in it, then those that are in the binary part.
///
///   InferInputs inputs(reader, *model);
///   inputs.Read(value, Path("inputs"));
///   inputs.ReadBinary(body, json_bytes);
///   inputs.Finish();                       // in the model's order, [rows, …]
class InferInputs {
 public:
  /// Both arguments outlive this.
  InferInputs(JsonReader& reader, const registry::ServedVersion& model);

  /// The list `inputs`. Errors: those of DecodeInfer.
  base::Status Read(od::value inputs, const Path& path);
  /// Those with a binary_data_size, out of the bytes of `body` from `offset` on, all of which must
  /// be theirs. Errors: "BINARY", "OUT_OF_RANGE", "TOO_MANY_VALUES".
  base::Status ReadBinary(const tensor::BufferRef& body, std::size_t offset);
  /// Once, at the end. Errors: "MISSING_INPUT".
  base::Result<tensor::TensorList> Finish();
  /// As the inputs say; 1 where the model has no batch axis.
  std::int64_t rows() const { return rows_.value_or(1); }

 private:
  /// What an item says beside its data.
  struct Head {
    std::optional<std::string> name;
    std::optional<std::string> datatype;
    std::optional<tensor::Shape> shape;
    std::optional<std::uint64_t> binary_bytes;
    std::size_t fields = 0;  // seen so far
    std::optional<std::size_t> data_field;
  };
  struct BinaryInput {
    std::size_t index = 0;  // into the model's
    tensor::Shape shape;
    std::uint64_t bytes = 0;
  };

  base::Status ReadItem(od::value item, const Path& path);
  base::Status ReadOpenItem(od::object item, Head& head, const Path& path);
  base::Status ReadField(std::string_view key, od::value value, Head& head, const Path& path);
  base::Status ReadParameters(od::value value, Head& head, const Path& path);
  base::Result<tensor::Shape> ReadShape(od::value value, const Path& path);
  base::Status ReadData(od::object item, std::size_t index, const Head& head, const Path& path);
  /// Which of the model's inputs this is.
  base::Result<std::size_t> Place(const Head& head, const Path& path);
  base::Status CheckHead(const Head& head, const model::TensorSpec& input, const Path& path);
  base::Status CheckShape(const tensor::Shape& shape, const model::TensorSpec& input,
                          const Path& path) const;
  base::Status TakeRows(const tensor::Shape& shape, const Path& path);
  void Keep(std::size_t index, tensor::Tensor tensor);

  JsonReader& reader_;
  const registry::ServedVersion& model_;
  std::vector<bool> seen_;
  tensor::TensorList tensors_;
  std::vector<BinaryInput> binary_;  // in the order of the request
  std::optional<std::int64_t> rows_;
};

}  // namespace muster::server::codec::internal
