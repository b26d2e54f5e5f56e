#include "muster/server/api/internal/routes.h"

namespace muster::server::api {

std::string SchemaRef(std::string_view name) {
  return "{\"$ref\":\"#/components/schemas/" + std::string(name) + "\"}";
}

std::string_view ComponentSchemas() {
  // A prediction's value depends on the model, so it is left open; everything around it is not.
  return R"json({
"Error":{"type":"object","required":["error","detail","code","request_id"],"properties":{
 "error":{"type":"string","description":"What was expected, what came, and where"},
 "detail":{"type":"string","description":"The same text"},
 "code":{"type":"string","description":"Stable name of the cause"},
 "request_id":{"type":"string"}}},
"Row":{"description":"One row of a model: a scalar, a nested list, or an object of named inputs; the batch axis is the server's"},
"Common":{"type":"object","properties":{
 "priority":{"type":"integer","description":"Higher first"},
 "timeout":{"type":"number","exclusiveMinimum":0,"description":"Seconds"},
 "id":{"type":"string","maxLength":128},
 "model_id":{"type":"string"},
 "version":{"type":"string"},
 "top_k":{"type":"integer","minimum":1},
 "context":{"type":"object"}}},
"Features":{"oneOf":[{"type":"array"},{"type":"object"}],"description":"In order, or by name"},
"Instance":{"oneOf":[{"type":"array"},{"type":"object","required":["features"],"properties":{
 "features":{"$ref":"#/components/schemas/Features"},"model_id":{"type":"string"}}}]},
"Instances":{"allOf":[{"$ref":"#/components/schemas/Common"},{"type":"object","required":["instances"],"properties":{
 "instances":{"type":"array","minItems":1,"items":{"$ref":"#/components/schemas/Instance"}},
 "max_parallelism":{"type":"integer","minimum":1}}}]},
"PredictRequest":{"oneOf":[
 {"allOf":[{"$ref":"#/components/schemas/Common"},{"type":"object","required":["inputs"],"properties":{"inputs":{"$ref":"#/components/schemas/Row"}}}]},
 {"allOf":[{"$ref":"#/components/schemas/Common"},{"type":"object","required":["features"],"properties":{"features":{"$ref":"#/components/schemas/Features"}}}]},
 {"$ref":"#/components/schemas/ImageRequest"},
 {"$ref":"#/components/schemas/ImagesRequest"},
 {"$ref":"#/components/schemas/Instances"}]},
"Picture":{"type":"string","contentEncoding":"base64","description":"A JPEG, PNG or WebP, maybe with data:image/…;base64, before it"},
"ImageRequest":{"allOf":[{"$ref":"#/components/schemas/Common"},{"type":"object","required":["image"],"properties":{"image":{"$ref":"#/components/schemas/Picture"}}}]},
"ImagesRequest":{"allOf":[{"$ref":"#/components/schemas/Common"},{"type":"object","required":["images"],"properties":{"images":{"type":"array","minItems":1,"items":{"$ref":"#/components/schemas/Picture"}}}}]},
"BatchRequest":{"oneOf":[
 {"$ref":"#/components/schemas/ImagesRequest"},
 {"allOf":[{"$ref":"#/components/schemas/Common"},{"type":"object","required":["inputs"],"properties":{"inputs":{"type":"array","minItems":1,"items":{"$ref":"#/components/schemas/Row"}}}}]},
 {"$ref":"#/components/schemas/Instances"}]},
"Times":{"type":"object","description":"Milliseconds along the request's critical path; they sum to inference_time_ms","properties":{
 "preprocessing_ms":{"type":"number"},"queue_ms":{"type":"number"},"inference_ms":{"type":"number"},"postprocessing_ms":{"type":"number"}}},
"Dims":{"type":"array","items":{"type":"integer"}},
"Shape":{"oneOf":[{"$ref":"#/components/schemas/Dims"},{"type":"object","additionalProperties":{"$ref":"#/components/schemas/Dims"}},{"type":"null"}],
 "description":"Rows first; by name where there are several tensors, null where nothing was run"},
"Classes":{"type":"array","description":"The most probable classes, best first","items":{"type":"object","required":["class_id","confidence"],"properties":{
 "class_id":{"type":"integer"},"label":{"type":["string","null"]},"confidence":{"type":["number","null"]}}}},
"Metadata":{"type":"object","properties":{
 "framework_version":{"type":"string"},"model_version":{"type":"string"},
 "input_shape":{"$ref":"#/components/schemas/Shape"},"output_shape":{"$ref":"#/components/schemas/Shape"},
 "batch_size":{"type":"integer","description":"Rows of the model's run"},
 "nonfinite":{"type":"boolean","description":"NaN or an infinity was written as null"},
 "processing_time":{"$ref":"#/components/schemas/Times"},
 "batch_processing":{"type":"boolean"},
 "individual_inference_times":{"type":"array","items":{"type":"number"},"description":"Milliseconds: each item's share of its runs"}}},
"SingleAnswer":{"type":"object","required":["success","result","model_name","inference_time_ms","timestamp","request_id"],"properties":{
 "success":{"type":"boolean"},"result":{},"error":{"type":["string","null"]},"label":{"type":["string","null"]},"classes":{"$ref":"#/components/schemas/Classes"},
 "model_name":{"type":"string"},"model_version":{"type":"string"},
 "inference_time_ms":{"type":"number"},"processing_time":{"type":"number","description":"The same in seconds"},
 "timestamp":{"type":"string","format":"date-time"},"request_id":{"type":"string"},
 "metadata":{"$ref":"#/components/schemas/Metadata"}}},
"FeaturesAnswer":{"type":"object","required":["prediction","confidence","latency_ms","cold_start","model_id","model_version"],"properties":{
 "prediction":{},"label":{"type":["string","null"]},"confidence":{"type":["number","null"]},"probabilities":{"type":"array","items":{"type":["number","null"]}},
 "classes":{"$ref":"#/components/schemas/Classes"},"nonfinite":{"type":"boolean"},
 "latency_ms":{"type":"number"},"cold_start":{"type":"boolean"},"model_id":{"type":"string"},"model_version":{"type":"string"}}},
"InstancesAnswer":{"type":"object","required":["predictions","total_latency_ms","success_count","error_count"],"properties":{
 "predictions":{"type":"array","items":{"type":"object","properties":{
  "prediction":{},"label":{"type":["string","null"]},"confidence":{"type":["number","null"]},"probabilities":{"type":"array"},
  "classes":{"$ref":"#/components/schemas/Classes"},"nonfinite":{"type":"boolean"},
  "latency_ms":{"type":"number"},"cold_start":{"type":"boolean"},"error":{"type":"string"}}}},
 "total_latency_ms":{"type":"number"},"success_count":{"type":"integer"},"error_count":{"type":"integer"}}},
"ImageAnswer":{"type":"object","required":["predictions","model_name","model_version","request_id","processing_time","inference_time_ms"],"properties":{
 "predictions":{"$ref":"#/components/schemas/Classes"},
 "model_name":{"type":"string"},"model_version":{"type":"string"},"request_id":{"type":"string"},
 "processing_time":{"$ref":"#/components/schemas/Times"},"inference_time_ms":{"type":"number"}}},
"ImagesAnswer":{"type":"object","required":["results","success_count","error_count","model_name","model_version","request_id","processing_time","inference_time_ms"],"properties":{
 "results":{"type":"array","description":"In input order","items":{"type":"object","required":["predictions"],"properties":{
  "predictions":{"oneOf":[{"$ref":"#/components/schemas/Classes"},{"type":"null"}]},"error":{"type":"string"}}}},
 "success_count":{"type":"integer"},"error_count":{"type":"integer"},
 "model_name":{"type":"string"},"model_version":{"type":"string"},"request_id":{"type":"string"},
 "processing_time":{"$ref":"#/components/schemas/Times"},"inference_time_ms":{"type":"number"}}},
"PredictResponse":{"oneOf":[{"$ref":"#/components/schemas/SingleAnswer"},{"$ref":"#/components/schemas/FeaturesAnswer"},{"$ref":"#/components/schemas/InstancesAnswer"},{"$ref":"#/components/schemas/ImageAnswer"},{"$ref":"#/components/schemas/ImagesAnswer"}]},
"BatchAnswer":{"type":"object","required":["success","predictions","model_name","inference_time_ms","timestamp","request_id","batch_info","metadata","warnings"],"properties":{
 "success":{"type":"boolean"},"predictions":{"type":"array","description":"In input order; null where an item failed"},
 "labels":{"type":"array","items":{"type":["string","null"]}},
 "classes":{"type":"array","items":{"oneOf":[{"$ref":"#/components/schemas/Classes"},{"type":"null"}]}},
 "model_name":{"type":"string"},"inference_time_ms":{"type":"number"},
 "timestamp":{"type":"string","format":"date-time"},"request_id":{"type":"string"},
 "batch_info":{"type":"object","properties":{
  "batch_size":{"type":"integer"},"successful_predictions":{"type":"integer"},"failed_predictions":{"type":"integer"},
  "failed_indices":{"type":"array","items":{"type":"integer"}},"failure_reasons":{"type":"array","items":{"type":"string"}},
  "processing_time":{"$ref":"#/components/schemas/Times"}}},
 "metadata":{"$ref":"#/components/schemas/Metadata"},
 "warnings":{"type":"array","items":{"type":"string"}}}},
"BatchResponse":{"oneOf":[{"$ref":"#/components/schemas/BatchAnswer"},{"$ref":"#/components/schemas/ImagesAnswer"},{"$ref":"#/components/schemas/InstancesAnswer"}]},
"ExampleSimpleRequest":{"type":"object","properties":{"input":{"default":42}}},
"ExampleSimpleResponse":{"type":"object","required":["example","input","response"],"properties":{
 "example":{"const":"simple_prediction"},"input":{},"response":{"$ref":"#/components/schemas/SingleAnswer"}}},
"ExampleBatchRequest":{"type":"object"},
"ExampleBatchResponse":{"type":"object","required":["example","input_count","response"],"properties":{
 "example":{"const":"batch_prediction"},"input_count":{"const":5},"response":{"$ref":"#/components/schemas/BatchAnswer"}}},
"Probe":{"type":"object","required":["status"],"properties":{"status":{"type":"string"}}},
"Health":{"type":"object","required":["healthy","status","checks","timestamp","engine_stats"],"properties":{
 "healthy":{"type":"boolean"},"status":{"enum":["healthy","degraded","unhealthy"]},
 "checks":{"type":"object","additionalProperties":{"type":"boolean"}},
 "problems":{"type":"array","items":{"type":"string"}},
 "timestamp":{"type":"string","format":"date-time"},
 "engine_stats":{"type":"object","additionalProperties":{"type":"number"}}}},
"Stats":{"type":"object","required":["stats","performance_report","models"],"properties":{
 "stats":{"type":"object"},"performance_report":{"type":"object"},"http":{"type":"object"},"models":{"type":"array"}}},
"Config":{"type":"object"},
"Tensor":{"type":"object","properties":{"name":{"type":"string"},"datatype":{"type":"string"},"shape":{"type":"array","items":{"type":"integer"},"description":"-1 where the extent varies"}}},
"Model":{"type":"object","required":["name","version","state","default"],"properties":{
 "name":{"type":"string"},"version":{"type":"string"},"state":{"enum":["LOADING","READY","FAILED"]},"reason":{"type":"string"},"default":{"type":"boolean"},
 "inputs":{"type":"array","items":{"$ref":"#/components/schemas/Tensor"}},"outputs":{"type":"array","items":{"$ref":"#/components/schemas/Tensor"}},
 "labels":{"type":"array","items":{"type":"string"}},"request_count":{"type":"integer"},"error_count":{"type":"integer"},
 "breaker":{"type":"object","required":["state","opened","refused","retry_after_ms"],"properties":{
  "state":{"enum":["closed","half_open","open"]},"opened":{"type":"integer"},"refused":{"type":"integer"},
  "retry_after_ms":{"type":"integer","description":"until requests are tried again; 0 unless open"}}},
 "batching":{"type":"object","properties":{"batch_invariant":{"type":"object","required":["found","compared_rows","enforced"],"properties":{
  "found":{"enum":["all","at_least_2","one_row_runs","none"],"description":"sizes of runs that give a row the same bits"},
  "compared_rows":{"type":"integer","description":"of the largest run compared"},"enforced":{"type":"boolean"}}}}}}},
"ModelList":{"type":"object","required":["models"],"properties":{"models":{"type":"array","items":{"$ref":"#/components/schemas/Model"}}}},
"ModelDetail":{"allOf":[{"$ref":"#/components/schemas/Model"},{"type":"object","required":["versions"],"properties":{"versions":{"type":"array","items":{"$ref":"#/components/schemas/Model"}}}}]},
"InferServer":{"type":"object","required":["name","version","extensions"],"properties":{
 "name":{"type":"string"},"version":{"type":"string"},"extensions":{"type":"array","items":{"type":"string"}}}},
"InferProbe":{"type":"object","maxProperties":0,"description":"The status is the answer"},
"InferModel":{"type":"object","required":["name","versions","platform","inputs","outputs"],"properties":{
 "name":{"type":"string"},"versions":{"type":"array","items":{"type":"string"}},"platform":{"type":"string"},
 "inputs":{"type":"array","items":{"$ref":"#/components/schemas/Tensor"}},"outputs":{"type":"array","items":{"$ref":"#/components/schemas/Tensor"}}}},
"Datatype":{"enum":["BOOL","UINT8","UINT16","UINT32","UINT64","INT8","INT16","INT32","INT64","FP16","BF16","FP32","FP64","BYTES"]},
"InferRequest":{"type":"object","required":["inputs"],"properties":{
 "id":{"type":"string"},
 "parameters":{"type":"object","properties":{
  "priority":{"type":"integer","minimum":0,"description":"A level: 1 the highest; 2, and 0 for none, come next, then 3, …"},
  "timeout":{"type":"integer","description":"Microseconds"},
  "binary_data_output":{"type":"boolean","description":"Outputs that do not say otherwise are answered as bytes"}}},
 "inputs":{"type":"array","minItems":1,"items":{"type":"object","required":["name","datatype","shape"],"properties":{
  "name":{"type":"string"},"datatype":{"$ref":"#/components/schemas/Datatype"},
  "shape":{"type":"array","items":{"type":"integer","minimum":0}},
  "data":{"type":"array","description":"Flat, or nested as the shape is; left out where bytes follow the JSON"},
  "parameters":{"type":"object","properties":{"binary_data_size":{"type":"integer","minimum":0}}}}}},
 "outputs":{"type":"array","description":"All of the model's where there are none","items":{"type":"object","required":["name"],"properties":{
  "name":{"type":"string"},
  "parameters":{"type":"object","properties":{
   "binary_data":{"type":"boolean"},
   "classification":{"type":"integer","minimum":0,"description":"The k best classes instead of the numbers"}}}}}}}},
"InferResponse":{"type":"object","required":["model_name","outputs"],"properties":{
 "id":{"type":"string"},"model_name":{"type":"string"},"model_version":{"type":"string"},
 "parameters":{"type":"object"},
 "outputs":{"type":"array","items":{"type":"object","required":["name","datatype","shape"],"properties":{
  "name":{"type":"string"},"datatype":{"$ref":"#/components/schemas/Datatype"},
  "shape":{"type":"array","items":{"type":"integer","minimum":0}},
  "data":{"type":"array","description":"null for NaN and infinities; left out where bytes follow the JSON"},
  "parameters":{"type":"object","properties":{
   "binary_data_size":{"type":"integer"},
   "nonfinite":{"type":"boolean","description":"NaN or an infinity was written as null"}}}}}}}},
"RepositoryIndexRequest":{"type":"object","properties":{"ready":{"type":["boolean","null"],"description":"Ready versions alone"}}},
"RepositoryIndex":{"type":"array","items":{"type":"object","required":["name","version","state","reason"],"properties":{
 "name":{"type":"string"},"version":{"type":"string"},"state":{"enum":["LOADING","READY","UNAVAILABLE"]},"reason":{"type":"string"}}}},
"Duration":{"type":"object","required":["count","ns"],"properties":{"count":{"type":"integer","minimum":0},"ns":{"type":"integer","minimum":0}}},
"InferStats":{"type":"object","required":["model_stats"],"properties":{
 "model_stats":{"type":"array","items":{"type":"object","required":["name","version","last_inference","inference_count","execution_count","inference_stats","batch_stats"],"properties":{
  "name":{"type":"string"},"version":{"type":"string"},
  "last_inference":{"type":"integer","description":"Not kept: 0"},
  "inference_count":{"type":"integer","description":"Rows answered"},"execution_count":{"type":"integer","description":"Runs of the model"},
  "inference_stats":{"type":"object","description":"compute_input, compute_output and the cache's are 0",
   "required":["success","fail","queue","compute_input","compute_infer","compute_output","cache_hit","cache_miss"],
   "additionalProperties":{"$ref":"#/components/schemas/Duration"}},
  "batch_stats":{"type":"array","maxItems":0}}}}}}
})json";
}

}  // namespace muster::server::api
