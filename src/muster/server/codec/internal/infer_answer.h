#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "muster/server/codec/infer.h"
#include "muster/server/codec/json_writer.h"
#include "muster/tensor/tensor.h"

namespace muster::server::codec::internal {

/// One output of an answer: all rows of the request, in as many pieces as they were run in.
struct AnsweredOutput {
  tensor::DType dtype = tensor::DType::kFp32;
  /// As the client sees it: rows first, unless the model has no batch axis.
  tensor::Shape shape;
  std::vector<tensor::Tensor> pieces;  ///< each [rows, …]
};

/// Puts the rows of output `index` together. Errors: BACKEND_INVALID where rows are missing; SHAPE
/// where they are not of one shape.
base::Result<AnsweredOutput> GatherOutput(const registry::ServedVersion& model,
                                          const batching::WorkResult& work, std::size_t index,
                                          std::int64_t rows);

/// The `k` greatest of each row as "value:index" or "value:index:label", values as Triton writes
/// them: with six decimals. `output` is of numbers and of `index`.
AnsweredOutput Classify(const registry::ServedVersion& model, const AnsweredOutput& output,
                        std::size_t index, std::int64_t k);

/// What AppendBinary appends. Errors: BACKEND_INVALID.
base::Result<std::size_t> BinarySize(const AnsweredOutput& output);
void AppendBinary(std::string& out, const AnsweredOutput& output);
/// All elements as one flat list. True if any was not finite.
bool WriteFlat(JsonWriter& w, const AnsweredOutput& output);

}  // namespace muster::server::codec::internal
