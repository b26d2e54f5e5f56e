#include "muster/server/codec/internal/answer.h"
#include "muster/server/codec/predict_json.h"

namespace muster::server::codec {

base::Status EncodePredict(std::string& out, const DecodedBody& body,
                           std::span<const CallResult> results, const AnswerContext& context) {
  MUSTER_RETURN_IF_ERROR(internal::WholeError(body, results));
  const internal::Answer answer(body, results, context);
  switch (body.dialect) {
    case Dialect::kInputs:
      internal::EncodeInputs(out, answer);
      break;
    case Dialect::kFeatures:
      internal::EncodeFeatures(out, answer);
      break;
    case Dialect::kInstances:
      internal::EncodeInstances(out, answer);
      break;
    case Dialect::kImage:
    case Dialect::kImages:
      internal::EncodePictures(out, answer);
      break;
  }
  return {};
}

}  // namespace muster::server::codec
