// Included before everything else in a compiled model: catches what Verilator's runtime would print
// or abort on, so that a design's own assertions reach Python as text.
#ifndef BNNEDGE_SIMULATION_RUNTIME_H  // a guard: models include a copy beside its precompiled form
#define BNNEDGE_SIMULATION_RUNTIME_H

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace bnnedge {

int print(const char* format, ...) __attribute__((format(printf, 1, 2)));

// What the design has printed, and the runtime warned of, since the last `clear_messages` on this
// thread. `failed` is true after an assertion, $fatal, $stop, or a memory file that does not fit.
const std::string& messages();
bool failed();
void clear_messages();

// Folder that the design's relative $readmem names start from; "" for the working directory.
void set_data_folder(const std::string& folder);

// What a structure that Python shares looks like here: a line that `verilator.load_library`
// compares with its own.
struct Field {
    const char* name;
    std::size_t offset, bytes;
};
std::string layout_text(const char* name, std::size_t bytes, std::initializer_list<Field> fields);

// splitmix64
class Random {
public:
    explicit Random(uint64_t seed) : state_{seed} {}
    bool below(uint32_t probability) {  // in units of 2^-32
        if (probability == 0) return false;
        uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        return static_cast<uint32_t>((z ^ (z >> 31)) >> 32) < probability;
    }

private:
    uint64_t state_;
};

}  // namespace bnnedge

#define VL_PRINTF bnnedge::print
#define BNNEDGE_EXPORT extern "C" __attribute__((visibility("default")))

#include "verilated.h"

#endif
