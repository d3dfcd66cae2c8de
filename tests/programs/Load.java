// SPDX-License-Identifier: MIT

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/** The C heap of a virtual machine: compressors, direct buffers, threads, compiled code. */
public class Load {
    static long work(int seed) throws Exception {
        Random random = new Random(seed);
        CRC32 crc = new CRC32();
        List<ByteBuffer> buffers = new ArrayList<>();
        for (int i = 0; i < 1500; i++) {
            byte[] data = new byte[100 + random.nextInt(20000)];
            random.nextBytes(data);
            for (int k = 0; k < data.length; k++) data[k] &= 15;
            Deflater deflater = new Deflater(1 + i % 9);
            deflater.setInput(data);
            deflater.finish();
            byte[] packed = new byte[data.length + 100];
            int length = deflater.deflate(packed);
            deflater.end();
            Inflater inflater = new Inflater();
            inflater.setInput(packed, 0, length);
            byte[] back = new byte[data.length];
            if (inflater.inflate(back) != data.length) throw new IllegalStateException("inflate");
            inflater.end();
            crc.update(back);
            ByteBuffer direct = ByteBuffer.allocateDirect(1 + random.nextInt(8000));
            direct.put(back, 0, Math.min(back.length, direct.capacity()));
            buffers.add(direct);
            if (buffers.size() > 300) buffers.clear();
        }
        return crc.getValue();
    }

    public static void main(String[] arguments) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Future<Long>> results = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            final int seed = i;
            results.add(pool.submit((Callable<Long>) () -> work(seed)));
        }
        for (Future<Long> result : results) System.out.println(result.get());
        pool.shutdown();
        for (int i = 0; i < 500; i++) {
            Thread thread = new Thread(() -> new StringBuilder("x".repeat(1000)).reverse());
            thread.start();
            thread.join();
        }
        System.out.println("done");
    }
}
