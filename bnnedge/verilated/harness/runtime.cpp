// See runtime.h. Compiled once per Verilator and compiler, and linked into every model.
#include <cstdarg>
#include <cstdio>

namespace {

struct State {
    std::string messages;
    std::string data_folder;
    bool failed = false;
};
thread_local State state;

void fail(const char* filename, int line, const char* what) {
    state.failed = true;
    bnnedge::print("%s (%s:%d)\n", what, filename ? filename : "", line);
    Verilated::threadContextp()->gotError(true);
    Verilated::threadContextp()->gotFinish(true);
}

}  // namespace

namespace bnnedge {

int print(const char* format, ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    const int length = std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    // A design that prints every cycle must not eat the memory; its first words tell the most.
    if (state.messages.size() < (1u << 20)) state.messages += text;
    return length;
}

const std::string& messages() { return state.messages; }
bool failed() { return state.failed; }
void clear_messages() {
    state.messages.clear();
    state.failed = false;
}
void set_data_folder(const std::string& folder) { state.data_folder = folder; }

std::string layout_text(const char* name, std::size_t bytes, std::initializer_list<Field> fields) {
    std::string text = std::string{name} + " " + std::to_string(bytes) + ":";
    for (const Field& field : fields) {
        text += std::string{" "} + field.name + " " + std::to_string(field.offset) + "+"
            + std::to_string(field.bytes);
    }
    return text + "\n";
}

}  // namespace bnnedge

// The runtime's own versions of these call exit() or abort().
void vl_stop(const char* filename, int line, const char*) { fail(filename, line, "stopped"); }
void vl_fatal(const char* filename, int line, const char*, const char* what) {
    fail(filename, line, what);
}
void vl_warn(const char* filename, int line, const char*, const char* what) {
    fail(filename, line, what);
}

// The linker sends the runtime's fopen here (--wrap): one compiled model serves any folder of
// memory files, and nobody changes the working directory.
extern "C" FILE* __real_fopen(const char* name, const char* mode);
extern "C" FILE* __wrap_fopen(const char* name, const char* mode) {
    if (name[0] == '/' || state.data_folder.empty()) return __real_fopen(name, mode);
    return __real_fopen((state.data_folder + "/" + name).c_str(), mode);
}
