/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * own.pml: the ownership protocol of one record on three nodes: hand-off, views, lazy recovery,
 * the sweep, vacuuming. README tells what is modelled, what was checked and which rule each
 * macro below switches off.
 *
 * A message is type, gen, a, b (mostly an rsn), c; queue q[from*3+to] is one FIFO connection, and
 * a message to oneself is handled before anything else happens. Each node processes an ACTIVATE
 * (gen[n]++) when it likes, several views may be outstanding, and a new lmaster is drawn freely in
 * each view. The content of a record is a vector of write counts, two bits for each node: so "this
 * copy holds every write that the clients of node n made or saw" is one comparison.
 *
 * Checked: I1 (never two owners), I3 (who becomes owner holds every write that a living node's
 * client made or saw), a tie of rsn is a tie of contents, and at rest every request was answered.
 */
#ifndef HOLD        /* 1: a message of a newer generation waits (its connection is not read on) */
#define HOLD 1
#endif
#ifndef CONF        /* 1: locations learnt in this generation are definitive, never resolved again */
#define CONF 1
#endif
#ifndef CANCEL      /* 1: a definitive LOC ends a running resolution */
#define CANCEL 1
#endif
#ifndef REPLACE     /* 1: a definitive location replaces an old hint whatever the rsn */
#define REPLACE 1
#endif
#ifndef SWEEP       /* 1: model the sweep and "unknown means new" */
#define SWEEP 0
#endif
#ifndef SWCOPY      /* 1: the sweep reports copies that are not owned, too */
#define SWCOPY 1
#endif
#ifndef DONEFIFO    /* 1: DONE travels behind the sweep's messages; 0: over CPG */
#define DONEFIFO 1
#endif
#ifndef DIRECT      /* 1: a node may ask its own copy's dmaster instead of the lmaster */
#define DIRECT 0
#endif
#ifndef VAC         /* 0: none 1: at the lmaster, copies first 2: own copy first  3: owner deletes, anywhere, own first */
#define VAC 0
#endif
#ifndef GENCHECK    /* 1: data messages of an older generation are dropped */
#define GENCHECK 1
#endif
#ifndef RAISE       /* 1: adopted rsn is above every copy seen */
#define RAISE 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef RESTARTS
#define RESTARTS 1
#endif
#ifndef NULLS
#define NULLS 1
#endif
#ifndef REQS
#define REQS 3
#endif
#ifndef WRITES
#define WRITES 2
#endif
#ifndef VACGATE     /* 1: no vacuuming before the sweep of this generation is done everywhere */
#define VACGATE 1
#endif
#ifndef VACS
#define VACS 1
#endif
#define MAXG (2+CRASHES+RESTARTS+NULLS)
#ifndef QL
#define QL 10
#endif
#define NONE 3
#define REQ 1
#define FWD 2
#define BNC 3
#define GRANT 4
#define LOC 5
#define WHOHAS 6
#define ANS 7
#define ADOPT 8
#define COPY 9
#define DONE 10
#define DEL 11
#define DELOK 12
#define DEL2 13
#ifndef TOMB        /* 1: vacuuming first replaces every old copy by the empty record, then deletes */
#define TOMB 1
#endif

chan q[9] = [QL] of { byte, byte, byte, byte, byte };  /* type gen a b c ; q[from*3+to] */

bool up[3], fresh[3], pend[3];
byte gen[3];
byte dm[3], rsn[3], w[3], givegen[3];      /* the copy in the TDB (givegen: of its hand-off) */
bool emp[3];
byte loc[3], locr[3], locg[3];             /* the lmaster's table */
bool res[3]; byte ans[3], best[3], bestr[3], bestw[3], waitm[3];
byte parked[3];
byte swp[3], done[3]; bool known[3];
byte vac[3], vacr[3];                      /* mask of acknowledgements still missing */
byte mem[MAXG+2], lm[MAXG+2];
byte V = 1;
byte crashes, restarts, nulls, reqs, writes, vacs;
byte made[3];                              /* ghost: writes of a node's clients */
byte seen[3];                              /* ghost: what the clients of a node have seen or done */
byte gbase;                                /* ghost: content at the last emptying write */
byte t, g, a, b, c, i, j, k, x, y;

#define BIT(n) (1<<(n))
#define W(v,n) (((v)>>((n)*2))&3)
#define LEQ(u,v) (W(u,0)<=W(v,0) && W(u,1)<=W(v,1) && W(u,2)<=W(v,2))
#define OWN(n) (up[n] && dm[n]==n)
#define UPMASK (up[0]+2*up[1]+4*up[2])
#define SE (len(q[0])==0 && len(q[4])==0 && len(q[8])==0)

inline check() {
	assert(!(OWN(0)&&OWN(1)) && !(OWN(0)&&OWN(2)) && !(OWN(1)&&OWN(2)));  /* I1 */
}
inline acquired(n) {
	check();
	assert(!up[0] || LEQ(seen[0],w[n]));                                  /* I3 */
	assert(!up[1] || LEQ(seen[1],w[n]));
	assert(!up[2] || LEQ(seen[2],w[n]));
	seen[n] = w[n];
	pend[n] = 0
}
/* What an up-to-date receiver would drop is never queued; nothing is sent to the dead */
#if GENCHECK
#define SENDOK(n,to) (up[to] && (fresh[to] || gen[to] <= gen[n]))
#else
#define SENDOK(n,to) (up[to])
#endif
inline send(n,to,tt,aa,bb,cc) {
	if
	:: SENDOK(n,to) -> assert(nfull(q[(n)*3+(to)])); q[(n)*3+(to)]!tt,gen[n],aa,bb,cc
	:: else
	fi
}
inline give(n,to,p) {        /* p: loop variable */
	rsn[n] = rsn[n]+1; dm[n] = to; givegen[n] = gen[n];
	send(n,to,GRANT,emp[n],rsn[n],w[n]);
	send(n,lm[gen[n]],LOC,to,rsn[n],0);
	p = 0;
	do
	:: p<3 -> if :: parked[n]&BIT(p) -> send(n,to,FWD,p,rsn[n],1) :: else fi; p++
	:: else -> break
	od;
	parked[n] = 0; p = 0
}
inline flush(n,p) {
	p = 0;
	do
	:: p<3 -> if :: waitm[n]&BIT(p) -> send(n,loc[n],FWD,p,locr[n],CONF) :: else fi; p++
	:: else -> break
	od;
	waitm[n] = 0; p = 0
}
inline adopt(n,whom,isnew,ra) {
	loc[n] = whom; locr[n] = ra; locg[n] = gen[n];
	send(n,whom,ADOPT,isnew,ra,0)
}
inline resolve(n) {
#if SWEEP
	if
	:: done[n]==mem[gen[n]] && !known[n] && waitm[n] ->
		if :: waitm[n]&1 -> x = 0 :: waitm[n]&2 -> x = 1 :: waitm[n]&4 -> x = 2 fi;
		y = (loc[n]==NONE -> 1 : locr[n]+1); adopt(n,x,1,y); y = 0; flush(n,i); x = 0
	:: else ->
#endif
		res[n] = 1; ans[n] = 0; best[n] = NONE; bestr[n] = 0; bestw[n] = 0;
		i = 0;
		do
		:: i<3 -> if :: mem[gen[n]]&BIT(i) -> send(n,i,WHOHAS,0,0,0) :: else fi; i++
		:: else -> break
		od; i = 0
#if SWEEP
	fi
#endif
}
inline lmreq(n,orig,bounced) {
	if
	:: res[n] -> waitm[n] = waitm[n]|BIT(orig)
	:: !res[n] && CONF && locg[n]==gen[n] && loc[n]!=NONE -> send(n,loc[n],FWD,orig,locr[n],1)
	:: !res[n] && CONF && locg[n]==gen[n] && loc[n]==NONE -> /* definitely absent: new */
		y = locr[n]+1; x = orig; adopt(n,x,1,y); x = 0; y = 0
	:: !res[n] && !(CONF && locg[n]==gen[n]) ->
		if
		:: !bounced && loc[n]!=NONE && (mem[gen[n]]&BIT(loc[n])) -> send(n,loc[n],FWD,orig,locr[n],0)
		:: else -> waitm[n] = waitm[n]|BIT(orig); resolve(n)
		fi
	fi
}
inline target(n,orig,ptr,def) {
	if
	:: dm[n]==n -> if :: orig==n :: else -> give(n,orig,i) fi
	:: else ->
#if CONF
		if
		:: def && ptr>rsn[n] -> parked[n] = parked[n]|BIT(orig)
		:: !(def && ptr>rsn[n]) && givegen[n]==gen[n] && dm[n]!=NONE -> send(n,dm[n],FWD,orig,rsn[n],1)
		:: !(def && ptr>rsn[n]) && !(givegen[n]==gen[n] && dm[n]!=NONE) -> assert(!def || VAC>=1); send(n,lm[gen[n]],BNC,orig,0,0)
		fi
#else
		if
		:: dm[n]!=NONE && (mem[gen[n]]&BIT(dm[n])) -> send(n,dm[n],FWD,orig,rsn[n],0)
		:: else -> send(n,lm[gen[n]],BNC,orig,0,0)
		fi
#endif
	fi
}
inline decide(n) {
	if
	:: best[n]!=NONE -> x = best[n]; y = bestr[n]+RAISE; adopt(n,x,0,y); x = 0; y = 0; res[n] = 0; flush(n,i)
	:: best[n]==NONE && waitm[n] ->
		if :: waitm[n]&1 -> x = 0 :: !(waitm[n]&1) && waitm[n]&2 -> x = 1 :: waitm[n]==4 -> x = 2 fi;
		adopt(n,x,1,1); res[n] = 0; flush(n,i); x = 0
	:: else -> res[n] = 0; loc[n] = NONE; locr[n] = 0; locg[n] = gen[n]
	fi
}
inline handle(f,n) {
	if
	:: t==REQ -> lmreq(n,a,0)
	:: t==BNC -> lmreq(n,a,1)
	:: t==FWD -> target(n,a,b,c)
	:: t==GRANT ->
		dm[n] = n; rsn[n] = b; w[n] = c; emp[n] = a; givegen[n] = 0; acquired(n)
	:: t==ADOPT ->
		if :: a || (VAC && emp[n]) -> w[n] = gbase; emp[n] = 1 :: else fi; /* empty is empty: ghost */
		assert(a || dm[n]!=NONE);
		dm[n] = n; rsn[n] = b; givegen[n] = 0; acquired(n)
	:: t==LOC ->
#if CONF
		if
		:: locg[n]!=gen[n] && (REPLACE || b>=locr[n] || loc[n]==NONE) -> loc[n] = a; locr[n] = b; locg[n] = gen[n]
		:: locg[n]==gen[n] && b>=locr[n] -> loc[n] = a; locr[n] = b
		:: else
		fi;
		if :: CANCEL && res[n] && locg[n]==gen[n] -> res[n] = 0; flush(n,i) :: else fi
#else
		if :: b>=locr[n] || loc[n]==NONE -> loc[n] = a; locr[n] = b :: else fi
#endif
	:: t==WHOHAS -> send(n,f,ANS,(dm[n]==n -> 1 : 0)+(dm[n]!=NONE -> 2 : 0),rsn[n],w[n])
	:: t==ANS ->
		if
		:: res[n] && (a&1) -> loc[n] = f; locr[n] = b; locg[n] = gen[n]; res[n] = 0; flush(n,i)
		:: res[n] && !(a&1) ->
			if
			:: (a&2) && (best[n]==NONE || b>bestr[n]) -> best[n] = f; bestr[n] = b; bestw[n] = c
			:: (a&2) && best[n]!=NONE && b==bestr[n] -> assert(bestw[n]==c)   /* a tie must not matter */
			:: else
			fi;
			ans[n] = ans[n]|BIT(f);
			if :: ans[n]==mem[gen[n]] -> decide(n) :: else fi
		:: else
		fi
	:: t==COPY -> known[n] = 1
	:: t==DONE -> done[n] = done[n]|BIT(f)
#if VAC
	:: t==DEL ->
		if
#if TOMB
		:: dm[n]!=n && dm[n]!=NONE && rsn[n]<=b -> dm[n] = f; rsn[n] = b; w[n] = c; emp[n] = 1; givegen[n] = 0; send(n,f,DELOK,0,b,0)
		:: dm[n]==NONE -> send(n,f,DELOK,0,b,0)
#endif
		:: !TOMB && dm[n]!=n && (dm[n]==NONE || rsn[n]<=b) -> dm[n] = NONE; rsn[n] = 0; w[n] = 0; emp[n] = 0; givegen[n] = 0; send(n,f,DELOK,0,b,0)
		:: else
		fi
	:: t==DEL2 -> if :: dm[n]!=n && dm[n]!=NONE && rsn[n]==b -> dm[n] = NONE; rsn[n] = 0; w[n] = 0; emp[n] = 0; givegen[n] = 0 :: else fi
	:: t==DELOK ->
		if
		:: vacr[n]==b -> vac[n] = vac[n]&(7-BIT(f))
		:: else
		fi
#endif
	fi
}
#define K(f,n) ((f)*3+(n))
#define FUT(z,n) (q[z]?[_,eval(gen[n]+1),_,_,_] || q[z]?[_,eval(gen[n]+2),_,_,_] || q[z]?[_,eval(gen[n]+3),_,_,_])
#define EQ(z,n) (q[z]?[_,eval(gen[n]),_,_,_])

inline clr() { t = 0; g = 0; a = 0; b = 0; c = 0; i = 0; j = 0; k = 0; x = 0 }

#if GENCHECK
inline purge(n) {      /* drop what is older than gen[n] from the queues into n */
	j = 0;
	do
	:: j<3 ->
		k = len(q[j*3+n]);
		do
		:: k>0 -> q[j*3+n]?t,g,a,b,c;
			if :: g<gen[n] :: else -> q[j*3+n]!t,g,a,b,c fi; k--
		:: else -> break
		od;
		j++
	:: else -> break
	od
}
#else
inline purge(n) { skip }
#endif
inline drain(z) { do :: len(q[z])>0 -> q[z]?t,g,a,b,c :: else -> break od }
inline wipe(n) {
	dm[n] = NONE; rsn[n] = 0; w[n] = 0; givegen[n] = 0; emp[n] = 0; pend[n] = 0;
	loc[n] = NONE; locr[n] = 0; locg[n] = 0; seen[n] = 0;
	soft(n)
}
inline soft(n) {
	res[n] = 0; ans[n] = 0; best[n] = 0; bestr[n] = 0; bestw[n] = 0; waitm[n] = 0; parked[n] = 0;
	swp[n] = 0; done[n] = 0; known[n] = 0; vac[n] = 0; vacr[n] = 0
}
#define DELIVER(f,n) \
	:: d_step { (f==n || SE) && up[n] && !fresh[n] && len(q[K(f,n)])>0 && (!HOLD || !FUT(K(f,n),n)) -> \
		q[K(f,n)]?t,g,a,b,c; \
		if :: HOLD==0 && g>gen[n] :: else -> handle(f,n) fi; clr() }

#define NODE(n) \
	/* a client writes, a local hit */ \
	:: d_step { SE && OWN(n) && !fresh[n] && writes<WRITES && made[n]<3 -> writes++; made[n]++; \
		w[n] = (w[n] & (255-(3<<(n*2)))) | (made[n]<<(n*2)); seen[n] = w[n]; emp[n] = 0 } \
	WEMPTY(n) \
	/* a client asks */ \
	:: d_step { SE && up[n] && !fresh[n] && !pend[n] && dm[n]!=n && reqs<REQS -> reqs++; pend[n] = 1; \
		send(n,lm[gen[n]],REQ,n,0,0) } \
	ASKDIRECT(n) \
	:: d_step { SE && OWN(n) && parked[n] -> \
		if :: parked[n]&1 -> x = 0 :: !(parked[n]&1) && (parked[n]&2) -> x = 1 :: parked[n]==4 -> x = 2 fi; \
		parked[n] = parked[n]&(7-BIT(x)); if :: x!=n -> give(n,x,i) :: else fi; clr() } \
	/* ACTIVATE */ \
	:: d_step { SE && up[n] && gen[n]<V -> gen[n]++; fresh[n] = 0; soft(n); purge(n); clr(); \
		if :: pend[n] -> send(n,lm[gen[n]],REQ,n,0,0) :: else fi; clr() } \
	SWEEPACT(n) VACACT(n) \
	/* faults */ \
	:: d_step { SE && up[n] && crashes<CRASHES -> crashes++; up[n] = 0; fresh[n] = 0; wipe(n); gen[n] = 0; \
		drain(n); drain(3+n); drain(6+n); clr() } \
	:: d_step { SE && !up[n] && restarts<RESTARTS -> restarts++; up[n] = 1; fresh[n] = 1; gen[n] = V; clr() }

#if DIRECT
#define ASKDIRECT(n) \
	:: d_step { SE && up[n] && !fresh[n] && !pend[n] && dm[n]!=n && dm[n]!=NONE && (mem[gen[n]]&BIT(dm[n])) && reqs<REQS -> reqs++; pend[n] = 1; \
		send(n,dm[n],FWD,n,0,0) }
#else
#define ASKDIRECT(n)
#endif
#if SWEEP
#if SWCOPY
#define SC(n) send(n,lm[gen[n]],COPY,0,0,0)
#else
#define SC(n) skip
#endif
#if DONEFIFO
#define SD(n) send(n,lm[gen[n]],DONE,0,0,0)
#else
#define SD(n) if :: gen[lm[gen[n]]]==gen[n] -> done[lm[gen[n]]] = done[lm[gen[n]]]|BIT(n) :: else -> send(n,lm[gen[n]],DONE,0,0,0) fi
#endif
#define SWEEPACT(n) \
	:: d_step { SE && up[n] && !fresh[n] && swp[n]==0 && gen[n]>1 -> swp[n] = 1; \
		if :: dm[n]==n -> send(n,lm[gen[n]],LOC,n,rsn[n],0) :: dm[n]!=n && dm[n]!=NONE -> SC(n) :: else fi } \
	:: d_step { SE && up[n] && !fresh[n] && swp[n]==1 -> swp[n] = 2; SD(n) } \
	:: d_step { SE && up[n] && !fresh[n] && lm[gen[n]]==n && done[n]==mem[gen[n]] && known[n] && !res[n] && !(CONF && locg[n]==gen[n]) -> resolve(n); clr() }
#else
#define SWEEPACT(n)
#endif
#if VAC
#define WEMPTY(n) :: d_step { SE && OWN(n) && !fresh[n] && !emp[n] && writes<WRITES && made[n]<3 -> writes++; made[n]++; \
		w[n] = (w[n] & (255-(3<<(n*2)))) | (made[n]<<(n*2)); seen[n] = w[n]; emp[n] = 1; gbase = w[n] }
#ifndef VACBUMP     /* 1: the owner raises its rsn before it vacuums */
#define VACBUMP 1
#endif
inline sdel(n) {
	if :: VACBUMP -> rsn[n] = rsn[n]+1; if :: lm[gen[n]]==n && locg[n]==gen[n] && loc[n]==n -> locr[n] = rsn[n] :: else fi :: else fi;
	vac[n] = mem[gen[n]]&(7-BIT(n)); vacr[n] = rsn[n];
	i = 0; do :: i<3 -> if :: vac[n]&BIT(i) -> send(n,i,DEL,0,rsn[n],w[n]) :: else fi; i++ :: else -> break od; i = 0
}
inline sdel2(n) { i = 0; do :: i<3 -> if :: i!=n && (mem[gen[n]]&BIT(i)) -> send(n,i,DEL2,0,rsn[n],0) :: else fi; i++ :: else -> break od; i = 0 }
#define GONE(n) dm[n] = NONE; rsn[n] = 0; w[n] = 0; emp[n] = 0; givegen[n] = 0
#if VAC==1
#define VACACT(n) \
	:: d_step { SE && OWN(n) && !fresh[n] && emp[n] && vacr[n]==0 && vacs<VACS && (!SWEEP || !VACGATE || gen[n]==1 || done[n]==mem[gen[n]]) && lm[gen[n]]==n && locg[n]==gen[n] && loc[n]==n && !res[n] -> \
		vacs++; sdel(n); clr() } \
	:: d_step { SE && up[n] && vacr[n]!=0 && vac[n]==0 -> \
		if :: OWN(n) && emp[n] && rsn[n]==vacr[n] && loc[n]==n && locg[n]==gen[n] -> loc[n] = NONE; locr[n] = rsn[n]; sdel2(n); GONE(n) :: else fi; vacr[n] = 0 }
#endif
#if VAC==2
#define VACACT(n) \
	:: d_step { SE && OWN(n) && !fresh[n] && emp[n] && vacr[n]==0 && vacs<VACS && (!SWEEP || !VACGATE || gen[n]==1 || done[n]==mem[gen[n]]) && lm[gen[n]]==n && locg[n]==gen[n] && loc[n]==n && !res[n] -> \
		vacs++; sdel(n); loc[n] = NONE; locr[n] = rsn[n]; GONE(n); clr() }
#endif
#if VAC==3   /* any owner deletes, copies first, and says nothing to the lmaster */
#define VACACT(n) \
	:: d_step { SE && OWN(n) && !fresh[n] && emp[n] && vacr[n]==0 && vacs<VACS -> vacs++; sdel(n); clr() } \
	:: d_step { SE && up[n] && vacr[n]!=0 && vac[n]==0 -> \
		if :: OWN(n) && emp[n] && rsn[n]==vacr[n] -> GONE(n) :: else fi; vacr[n] = 0 }
#endif
#else
#define WEMPTY(n)
#define VACACT(n)
#endif

inline newview(l) { V++; mem[V] = UPMASK; lm[V] = l }
#define NEEDVIEW (mem[V]!=UPMASK || (fresh[0]&&gen[0]==V) || (fresh[1]&&gen[1]==V) || (fresh[2]&&gen[2]==V))
#define VIEW(n) \
	:: d_step { SE && V<MAXG && up[n] && NEEDVIEW -> newview(n) } \
	:: d_step { SE && V<MAXG && up[n] && !NEEDVIEW && nulls<NULLS -> nulls++; newview(n) }

active proctype sys() {
	d_step {
		up[0] = 1; up[1] = 1; up[2] = 1; gen[0] = 1; gen[1] = 1; gen[2] = 1;
		mem[1] = 7; dm[1] = NONE; dm[2] = NONE; dm[0] = 0; rsn[0] = 1;
		loc[0] = NONE; loc[1] = NONE; loc[2] = NONE
	}
	/* the first lmaster: the owner itself, or another */
	if
	:: d_step { lm[1] = 0; loc[0] = 0; locr[0] = 1; locg[0] = 1 }
	:: d_step { lm[1] = 1; loc[1] = 0; locr[1] = 1; locg[1] = 1 }
	fi;
end:	do
	DELIVER(0,0) DELIVER(1,0) DELIVER(2,0)
	DELIVER(0,1) DELIVER(1,1) DELIVER(2,1)
	DELIVER(0,2) DELIVER(1,2) DELIVER(2,2)
	NODE(0) NODE(1) NODE(2)
	VIEW(0) VIEW(1) VIEW(2)
	:: timeout -> 
		assert(!(up[0]&&pend[0]) && !(up[1]&&pend[1]) && !(up[2]&&pend[2]));  /* every request answered */
		assert(len(q[1])+len(q[2])+len(q[3])+len(q[5])+len(q[6])+len(q[7])==0);
		break
	od
}
