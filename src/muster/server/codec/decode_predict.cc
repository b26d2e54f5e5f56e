#include "muster/server/codec/internal/body_decoder.h"
#include "muster/server/codec/predict_json.h"

namespace muster::server::codec {

base::Result<DecodedBody> DecodePredict(std::span<const std::byte> body,
                                        const DecodeContext& context, const DecodeLimits& limits,
                                        const ModelResolver& resolve) {
  internal::JsonReader reader(limits);
  MUSTER_RETURN_IF_ERROR(reader.Open(body));
  // First everything but the data, which is only skipped: the model it is for may be named behind
  // it. Then the data, straight into tensors.
  MUSTER_ASSIGN_OR_RETURN(internal::BodyFields fields, internal::ReadBodyFields(reader));
  return internal::BodyDecoder(reader, context, resolve).Decode(std::move(fields));
}

}  // namespace muster::server::codec
