// The host's end of a serial line, attached to a simulated device: queues bytes (or raw levels, for
// noise) towards it and decodes what it sends. One clock, driven here; port names are macros.
#include <cmath>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "Vmodel.h"

namespace {

struct Segment {
    double clocks;
    bool level;
};

struct Line {
    double clocks_per_bit;
    VerilatedContext context;
    std::unique_ptr<Vmodel> model;
    std::deque<Segment> out;   // what we still drive
    double left = 0;           // of the segment being driven
    bool level = true;
    std::deque<uint8_t> received;
    uint64_t framing_errors = 0, clocks = 0;
    int bit = -1;              // of the byte being received; -1: idle
    double next_sample = 0;
    unsigned shift = 0;

    void clock() {
        model->PORT_CLK = 0;
        model->eval();
        model->PORT_CLK = 1;
        model->eval();
        context.timeInc(1);
        ++clocks;
        listen(model->PORT_TX);
        drive();
    }

    void drive() {
        while (left < 1 && !out.empty()) {
            left += out.front().clocks;
            level = out.front().level;
            out.pop_front();
        }
        if (left >= 1) left -= 1;
        else level = true;
        model->PORT_RX = level;
    }

    void listen(bool tx) {
        const double now = static_cast<double>(clocks);
        if (bit < 0) {
            if (tx) return;
            bit = 0;
            shift = 0;
            next_sample = now + clocks_per_bit / 2;
            return;
        }
        if (now < next_sample) return;
        next_sample += clocks_per_bit;
        if (bit == 0 && tx) {
            bit = -1;
        } else if (bit == 9) {
            if (tx) received.push_back(static_cast<uint8_t>(shift));
            else ++framing_errors;
            bit = -1;
        } else {
            if (bit > 0) shift |= static_cast<unsigned>(tx) << (bit - 1);
            ++bit;
        }
    }
};

}  // namespace

// `clocks_per_bit` may be fractional: the host's clock need not be the device's.
BNNEDGE_EXPORT void* serial_open(double clocks_per_bit, uint32_t seed, const char* data_folder) {
    bnnedge::clear_messages();
    bnnedge::set_data_folder(data_folder);
    auto line = std::make_unique<Line>();
    line->clocks_per_bit = clocks_per_bit;
    line->context.randSeed(static_cast<int>(seed));
    line->context.randReset(2);
    line->model = std::make_unique<Vmodel>(&line->context, "top");
    line->model->PORT_RX = 1;
#ifdef PORT_RESET
    line->model->PORT_RESET = 0;
    for (int i = 0; i < 4; ++i) line->clock();
    line->model->PORT_RESET = 1;
#endif
    return line.release();
}

BNNEDGE_EXPORT void serial_close(void* handle) { delete static_cast<Line*>(handle); }

BNNEDGE_EXPORT void serial_write(void* handle, const uint8_t* data, uint64_t size) {
    auto* line = static_cast<Line*>(handle);
    for (uint64_t i = 0; i < size; ++i) {
        line->out.push_back({line->clocks_per_bit, false});
        for (int b = 0; b < 8; ++b)
            line->out.push_back({line->clocks_per_bit, ((data[i] >> b) & 1) != 0});
        line->out.push_back({line->clocks_per_bit, true});
    }
}

BNNEDGE_EXPORT void serial_hold(void* handle, int level, double clocks) {
    static_cast<Line*>(handle)->out.push_back({clocks, level != 0});
}

// Runs until `wanted` bytes wait to be read, or `clocks` have passed, or the design has failed.
BNNEDGE_EXPORT int serial_run(void* handle, uint64_t wanted, uint64_t clocks) {
    auto* line = static_cast<Line*>(handle);
    for (uint64_t i = 0; i < clocks && line->received.size() < wanted; ++i) {
        line->clock();
        if (line->context.gotFinish()) return 0;
    }
    return bnnedge::failed() ? 0 : 1;
}

BNNEDGE_EXPORT uint64_t serial_read(void* handle, uint8_t* data, uint64_t size) {
    auto* line = static_cast<Line*>(handle);
    uint64_t taken = 0;
    for (; taken < size && !line->received.empty(); ++taken) {
        data[taken] = line->received.front();
        line->received.pop_front();
    }
    return taken;
}

BNNEDGE_EXPORT uint64_t serial_clocks(void* handle) { return static_cast<Line*>(handle)->clocks; }

BNNEDGE_EXPORT uint64_t serial_framing_errors(void* handle) {
    return static_cast<Line*>(handle)->framing_errors;
}

BNNEDGE_EXPORT const char* serial_messages() { return bnnedge::messages().c_str(); }
