#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "muster/server/codec/predict_json.h"

namespace muster::server::codec {

base::Status TakePictures(DecodedBody& body, engine::PreparedImages prepared) {
  MUSTER_CHECK(prepared.statuses.size() == body.pictures.size(), "one status for each picture");
  PredictCall call{.model = body.model,
                   .inputs = std::move(prepared.inputs),
                   .rows = prepared.rows,
                   .slots = std::pmr::vector<std::int64_t>(body.calls.get_allocator()),
                   .input_shapes = std::pmr::vector<tensor::Shape>(body.calls.get_allocator())};
  std::vector<SlotError> errors;
  for (std::size_t i = 0; i < body.pictures.size(); ++i) {
    const base::Status& status = prepared.statuses[i];
    const BodyPicture& picture = body.pictures[i];
    if (status) {
      call.slots.push_back(picture.slot);
    } else if (body.batch) {
      const std::string path = "images[" + std::to_string(picture.slot) + "]";
      errors.push_back({picture.slot, status.error().WithContext(path)});
    } else {
      return picture.encoded.base64 ? status.error().WithContext("image") : status.error();
    }
  }
  // Those that were no base64 text at all are there already.
  const auto middle = static_cast<std::ptrdiff_t>(body.errors.size());
  std::move(errors.begin(), errors.end(), std::back_inserter(body.errors));
  std::inplace_merge(body.errors.begin(), body.errors.begin() + middle, body.errors.end(),
                     [](const SlotError& a, const SlotError& b) { return a.slot < b.slot; });
  if (call.rows == 0) return {};
  for (const tensor::Tensor& input : call.inputs) call.input_shapes.push_back(input.shape());
  body.calls.push_back(std::move(call));
  return {};
}

}  // namespace muster::server::codec
