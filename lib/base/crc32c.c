/* CRC-32C (Castagnoli), the sum of iSCSI (RFC 3720) and of TensorBoard's records: reflected polynomial 0x82f63b78,
 * begun with all ones and inverted at the end. Four bits at a time: entry i is what i leaves after four steps. */
#include "base/base.h"

uint32_t mn_crc32c(const void *data, size_t n) {
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
                                       0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    const uint8_t *byte = data;
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= byte[i];
        crc = table[crc & 15] ^ crc >> 4;
        crc = table[crc & 15] ^ crc >> 4;
    }
    return ~crc;
}
