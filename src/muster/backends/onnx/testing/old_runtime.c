// A library that looks like an ONNX Runtime of long ago: it has no API as new as ours.
struct ApiBase {
  const void* (*get_api)(unsigned version);
  const char* (*get_version)(void);
};
static const void* GetApi(unsigned version) { return (void)version, (const void*)0; }
static const char* GetVersion(void) { return "1.2.3"; }
const struct ApiBase* OrtGetApiBase(void) {
  static const struct ApiBase base = {GetApi, GetVersion};
  return &base;
}
