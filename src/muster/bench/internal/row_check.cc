#include "muster/bench/internal/row_check.h"

#include <string>
#include <utility>

#include "muster/model/agreement.h"
#include "muster/model/output_check.h"

namespace muster::bench {

base::Status RowCheck::CheckBatch(model::Instance& instance, std::int64_t size, std::int64_t k) {
  MUSTER_ASSIGN_OR_RETURN(const Tensors outputs, Run(instance, inputs_.Batch(size, k), size));
  for (std::int64_t place = 0; place < size; ++place) {
    const std::int64_t row = inputs_.RowAt(size, k, place);
    MUSTER_RETURN_IF_ERROR(RunAlone(instance, row));
    MUSTER_RETURN_IF_ERROR(Hold(outputs, place, *alone_[static_cast<std::size_t>(row)])
                               .WithContext("row " + std::to_string(place) + " of a run of " +
                                            std::to_string(size) + " rows"));
  }
  return {};
}

base::Result<Tensors> RowCheck::Run(model::Instance& instance, const Tensors& batch,
                                    std::int64_t rows) {
  auto outputs = model::RunAndWait(instance, batch)
                     .WithContext("a run of " + std::to_string(rows) + " rows failed");
  if (outputs) MUSTER_RETURN_IF_ERROR(model::CheckOutputs(spec_, *outputs, rows));
  return outputs;
}

base::Status RowCheck::RunAlone(model::Instance& instance, std::int64_t row) {
  std::optional<Tensors>& alone = alone_[static_cast<std::size_t>(row)];
  if (alone) return {};
  const std::int64_t rows =
      spec_.batch_axis == model::BatchAxis::kFixed ? spec_.fixed_batch : std::int64_t{1};
  MUSTER_ASSIGN_OR_RETURN(const Tensors outputs, Run(instance, inputs_.Alone(row), rows));
  alone = RowOf(outputs, 0);
  return {};
}

base::Status RowCheck::Hold(const Tensors& outputs, std::int64_t place,
                            const Tensors& alone) const {
  const Tensors row = RowOf(outputs, place);
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (model::Compare(row[i], alone[i]).agree) continue;
    return base::FailedPrecondition("output \"" + spec_.outputs[i].name +
                                    "\" is not what it is alone: the model mixes rows, or "
                                    "answers differently each time");
  }
  return {};
}

Tensors RowCheck::RowOf(const Tensors& outputs, std::int64_t place) const {
  if (spec_.batch_axis == model::BatchAxis::kNone) return outputs;
  Tensors row;
  for (const tensor::Tensor& output : outputs) row.push_back(output.Rows(place, 1));
  return row;
}

}  // namespace muster::bench
